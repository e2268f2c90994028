"""What does recording the graph cost a forward pass?"""

import torch

from harness.record.measured import Case
from harness.workload.model import Model
from harness.workload.models import Entry
from harness.workload.question import Cell, Question
from harness.workload.step import Part, Step

ARMS = ("grad", "no_grad", "inference_mode")


# Those whose train mode runs other code, one of each kind: batch normalisation, and dropout in attention.
_ASKED_IN_TRAIN_MODE = ("convnet", "transformer")


def _cells(entry: Entry, every: bool) -> tuple[Cell, ...]:  # noqa: FBT001 (the protocol's flag)
    if entry.mode:
        return (Cell(entry, entry.mode),)  # as it was handed over
    modes = ("eval", "train") if every or entry.name in _ASKED_IN_TRAIN_MODE else ("eval",)
    return tuple(Cell(entry, mode) for mode in modes)


def _build(_case: Case, arm: str, model: Model) -> Step:
    def no_grad() -> object:
        with torch.no_grad():
            return model()

    def inference_mode() -> object:
        with torch.inference_mode():
            return model()

    # Recording is what happens without a context, so the reference enters none.
    forward = {"grad": model.__call__, "no_grad": no_grad, "inference_mode": inference_mode}[arm]
    return Step((Part("forward", forward),), model, forward)


QUESTION = Question(
    name="grad_mode",
    asks="What does recording the graph cost a forward pass?",
    arms=lambda _entry: ARMS,
    cells=_cells,
    build=_build,
    columns=("peak", "retained", "saved", "nodes"),
    models=(
        "linear",
        "mlp-relu",
        "mlp-gelu",
        "convnet",
        "lstm",
        "transformer",
        "hf:resnet-tiny",
        "hf:vit-tiny",
        "hf:bert-tiny",
        "hf:gpt2-tiny",
    ),
    arms_share_model=True,
    arms_are_undone=True,
)
