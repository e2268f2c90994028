"""Every Python example of the documents runs; what an example takes as given is written here."""

import pytest
from anew import printed_anew
from documents import blocks_of, documents, name_of

pytestmark = pytest.mark.process

GIVEN = {
    "docs/ci.md": """
import torch
net = torch.nn.Module()
net.backbone, net.head = torch.nn.Linear(8, 8), torch.nn.Linear(8, 2)
net.forward = lambda batch: net.head(net.backbone(batch))
net.backbone.requires_grad_(False)
batch, batches = torch.ones(4, 8), [torch.ones(4, 8)]

def train_step(net, batch):
    net(batch).sum().backward()

@torch.no_grad()
def evaluate(net, batches):
    return sum(net(batch).sum().item() for batch in batches)
""",
    "docs/fit.md": """
import harness, torch
model, inputs = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.Linear(8, 2)), torch.ones(4, 8)
optimizer = torch.optim.AdamW(model.parameters())
""",
}
EXAMPLES = [
    (name_of(document), GIVEN.get(name_of(document), "") + block.text)
    for document in documents()
    for block in blocks_of(document)
    if block.language == "python" and not block.file
]


def test_there_are_examples_and_nothing_is_given_to_others() -> None:
    assert set(GIVEN) <= {name for name, _ in EXAMPLES}
    assert len(EXAMPLES) >= 6


def test_the_examples_run() -> None:
    # one process for all, since torch takes seconds to import; each with names of its own
    script = f"""
import torch
torch.set_num_threads(1)
for name, code in {EXAMPLES!r}:
    try:
        exec(compile(code, name, "exec"), {{}})
    except Exception as error:
        print("FAILED", name, repr(error))
"""
    printed = printed_anew(script)

    assert "FAILED" not in printed, printed
    assert "A/A control" in printed
