"""What the tutorial says of its plan, by plain training steps with the lines that it gives to paste."""

import re
from textwrap import dedent

import pytest
import torch
from documents import ROOT, blocks_of

import harness

_BLOCKS = blocks_of(ROOT / "docs" / "tutorial.md")
_TEXTS = [block.text for block in _BLOCKS if block.language == "text"]


def _one(beginning: str) -> str:
    """Return the one block of text that begins like that."""
    (text,) = (text for text in _TEXTS if text.startswith(beginning))
    return text


def _trained(pasted: str) -> tuple[int, list[torch.Tensor]]:
    """Train the tutorial's model for two steps; return the peak of the second, in all, and the weights."""
    names: dict[str, object] = {}
    (program,) = (block.text for block in _BLOCKS if block.file == "my_models.py")
    exec(compile(program, "my_models.py", "exec"), names)  # noqa: S102 (a document's own lines)
    torch.manual_seed(0)
    model, inputs = names["build"]()  # type: ignore[operator]
    optimizer = torch.optim.AdamW(model.parameters())
    exec(compile(pasted, "pasted", "exec"), {"model": model, "optimizer": optimizer})  # noqa: S102

    def step() -> None:
        model(inputs).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()

    step()
    with harness.limits(peak="1 GiB") as usage:
        step()
    state = [tensor for each in optimizer.state.values() for tensor in each.values()]
    held = sum(tensor.untyped_storage().nbytes() for tensor in (*model.parameters(), *state, inputs))
    return usage.peak + held, list(model.parameters())


@pytest.mark.skipif(
    tuple(map(int, torch.__version__.split(".")[:2])) < (2, 4),
    reason="AdamW in one kernel on a CPU: torch 2.4",
)
def test_the_lines_to_paste_take_what_the_answer_says_and_train_the_same() -> None:
    said = re.search(r"fits (\d)MiB: .* peak ([\d.]+) MiB\s\((\d+) %\)", _one("fits "), re.DOTALL)
    assert said is not None
    before, untouched = _trained("")
    after, weights = _trained(dedent(_one("    from functools import partial")))

    assert after <= int(said[1]) * 2**20 < before
    assert f"{after / 2**20:.4g}" == said[2]
    assert f"{100 * after / before:.0f}" == said[3]
    assert f"training takes {before / 2**20:.4g} MiB" in (ROOT / "docs" / "tutorial.md").read_text(
        encoding="utf-8"
    )
    for one, other in zip(weights, untouched, strict=True):
        assert torch.allclose(one, other, rtol=0, atol=1e-6)
