"""Every Python example of the documents runs; what an example takes as given is written here."""

import pytest
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


def test_the_examples_run(capsys: pytest.CaptureFixture[str]) -> None:
    for name, code in EXAMPLES:
        names: dict[str, object] = {}  # of its own
        exec(compile(code, name, "exec"), names)  # noqa: S102 (a document's own lines)

    assert "A/A control" in capsys.readouterr().out
