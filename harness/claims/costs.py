"""What a remedy costs a training step, on the very network of the experiment, one seed of it."""

from collections.abc import Callable

import torch
from torch import nn
from torch.optim import AdamW

from harness.claims.claim import Lab
from harness.claims.gains import STEP_TIME
from harness.claims.perceptron import BATCH, HIDDEN_WIDTH, INPUTS, TRAIN
from harness.claims.record import Number
from harness.claims.timing import ratio_number, time_steps
from harness.measure.observe import Observation
from harness.workload import regularizers
from harness.workload.model import Model
from harness.workload.step import Part, Step
from harness.workload.tensors import bytes_of
from harness.workload.training import LEARNING_RATE, training_step

_MEMBERS, _MORE, _HELD_OUT = 5, 4, 10
_STRENGTH = 0.1


def _layers(width: int) -> nn.Module:
    if width == 0:
        return nn.Sequential(nn.Linear(INPUTS, 1))
    return nn.Sequential(
        nn.Linear(INPUTS, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1)
    )


class _Drawing(nn.Module):
    """A module that draws its batch from a data set of its own at every call."""

    def __init__(self, module: nn.Module, examples: int) -> None:
        super().__init__()
        self.module = module
        self.register_buffer("data", torch.randn(examples, INPUTS))
        self.examples = examples

    def forward(self) -> object:
        chosen = torch.randperm(self.examples)[:BATCH]
        return self.module(self.get_buffer("data")[chosen])


def _model(width: int = HIDDEN_WIDTH) -> Model:
    return Model(_layers(width), (torch.randn(BATCH, INPUTS),))


def _trained(model: Model) -> Step:
    return training_step(model, AdamW(model.module.parameters(), lr=LEARNING_RATE, weight_decay=0.0))


def _epoch(*, held_out: bool) -> Step:
    """Return an epoch of two steps, with a look at held-out data at its end or without."""
    model = _model()
    step, examples = _trained(model), torch.randn(_HELD_OUT, INPUTS)

    def steps() -> None:
        step()
        step()

    def look() -> None:
        with torch.no_grad():
            model.module(examples).square().mean().item()

    parts = (Part("steps", steps), Part("look", look)) if held_out else (Part("steps", steps),)
    return Step(parts, model, model.loss_of_forward, step.optimizer)


def _drawing(examples: int) -> Step:
    return _trained(Model(_Drawing(_layers(HIDDEN_WIDTH), examples), ()))


_CHANGES: dict[str, Callable[[Model], Model]] = {
    "augmentation": regularizers.with_jitter,
    "dropout": regularizers.with_dropout,
    "L1": lambda model: regularizers.penalized(model, regularizers.l1(_STRENGTH)),
    "L2": lambda model: regularizers.penalized(model, regularizers.l2(_STRENGTH)),
    "ensemble": lambda model: regularizers.ensemble(model, _MEMBERS),
    "DropConnect": regularizers.with_dropconnect,
}


def _sides(remedy: str) -> tuple[Step, Step]:
    """Return the step that does nothing against overfitting, and the one with the remedy."""
    if remedy == "early stopping":
        return _epoch(held_out=False), _epoch(held_out=True)
    if remedy == "more data":
        return _drawing(TRAIN), _drawing(_MORE * TRAIN)
    if remedy.startswith("width "):
        return _trained(_model()), _trained(_model(int(remedy.removeprefix("width "))))
    return _trained(_model()), _trained(_CHANGES[remedy](_model()))


def cost_of(remedy: str, lab: Lab, prefix: str = "") -> tuple[Number, ...]:
    """Return what a remedy costs: time of a step against doing nothing, and the peak bytes of both.

    Early stopping is compared over an epoch of two steps, its look at held-out data included.
    """
    torch.manual_seed(lab.seed)
    reference, arm = _sides(remedy)
    timed = time_steps(reference, arm, lab, f"O/{remedy}")
    peaks = [Observation(step).whole.peak_bytes() for step in (reference, arm)]
    held = [
        sum(bytes_of(tensor) for tensor in step.model.module.state_dict().values())
        for step in (reference, arm)
    ]
    return (
        ratio_number(prefix + STEP_TIME, timed.judgement),
        Number(name=f"{prefix}peak of a step, doing nothing", value=peaks[0], unit="B"),
        Number(name=f"{prefix}peak of a step", value=peaks[1], unit="B"),
        Number(
            name=f"{prefix}parameters and data held / doing nothing", value=held[1] / held[0], unit="ratio"
        ),
    )
