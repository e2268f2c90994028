"""What does regularizing cost a training step?"""

from collections.abc import Callable
from typing import Any

from torch.optim import SGD

from harness.record.measured import Case
from harness.workload.model import Model
from harness.workload.question import Cell, Question
from harness.workload.regularizers import (
    ensemble,
    l1,
    l2,
    penalized,
    weights_of,
    with_dropconnect,
    with_dropout,
    with_jitter,
)
from harness.workload.step import Step
from harness.workload.training import LEARNING_RATE, WEIGHT_DECAY, training_step

REFERENCE = "no regularizer"
DECAY = "decay in the optimizer"
PENALTY = "penalty in the loss"
_CHANGES: dict[str, Callable[[Model], Model]] = {
    REFERENCE: lambda model: model,
    DECAY: lambda model: model,
    PENALTY: lambda model: penalized(model, l2(WEIGHT_DECAY)),
    "L1 in the loss": lambda model: penalized(model, l1(WEIGHT_DECAY)),
    "dropout": with_dropout,
    "DropConnect": with_dropconnect,
    "augmentation": with_jitter,
    "ensemble of 3": ensemble,
}
ARMS = tuple(_CHANGES)


def _build(_case: Case, arm: str, model: Model) -> Step:
    changed = _CHANGES[arm](model)
    weights = weights_of(changed.module)
    weight_ids = {id(weight) for weight in weights}
    rest = [p for p in changed.module.parameters() if p.requires_grad and id(p) not in weight_ids]
    decay = WEIGHT_DECAY if arm == DECAY else 0.0
    groups: list[dict[str, Any]] = [
        {"params": parameters, "weight_decay": strength}
        for parameters, strength in ((weights, decay), (rest, 0.0))
        if parameters
    ]
    optimizer = SGD(groups, lr=LEARNING_RATE)
    return training_step(changed, optimizer)


QUESTION = Question(
    name="regularizers",
    asks="What does regularizing cost a training step?",
    arms=lambda _entry: ARMS,
    cells=lambda entry, _every: (Cell(entry, "train"),),
    build=_build,
    columns=("peak", "saved", "gradients", "nodes", "operators"),
    models=("mlp-relu",),
)
