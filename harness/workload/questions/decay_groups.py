"""What do parameter groups with their own weight decay cost an optimizer step?"""

import warnings
from typing import Any

from torch.optim import SGD, AdamW, Optimizer

from harness.record.measured import Case
from harness.setting import HOST
from harness.workload.decay import POLICIES, check_groups, decay_groups
from harness.workload.factory import first_line
from harness.workload.model import Model, UnsupportedError, WorkloadError
from harness.workload.models import Entry
from harness.workload.question import Cell, Question
from harness.workload.state import ModelState
from harness.workload.step import DecayGroup, Part, Step
from harness.workload.training import LEARNING_RATE, WEIGHT_DECAY

IMPLEMENTATIONS: dict[str, dict[str, bool]] = {
    "for-loop": {"foreach": False},
    "foreach": {"foreach": True},
    "fused": {"fused": True},
}
CAPTURABLE = "adamw-capturable"  # its step count lies on the device, so that a CUDA graph can hold the step
EVERYWHERE = tuple(f"{optimizer}-{name}" for optimizer in ("sgd", "adamw") for name in IMPLEMENTATIONS)
VARIANTS = (*EVERYWHERE, CAPTURABLE)
_ON_ONE_MODEL = ("adamw-for-loop", "adamw-foreach", "adamw-fused", "sgd-foreach")


def make_optimizer(variant: str, groups: tuple[DecayGroup, ...]) -> Optimizer:
    """Make an optimizer over decay groups: `sgd-for-loop`, `adamw-fused`, ...

    Raises:
        WorkloadError: no such variant.
        UnsupportedError: this torch has no such implementation for the parameters' device.
    """
    if variant not in VARIANTS:
        raise WorkloadError(f"no optimizer {variant!r}; there are {', '.join(VARIANTS)}")
    if variant == CAPTURABLE:
        return _capturable(groups)
    name, _, implementation = variant.partition("-")
    options: dict[str, Any] = {**IMPLEMENTATIONS[implementation]}
    settings = _settings(groups)
    try:
        if name == "sgd":
            return SGD(settings, lr=LEARNING_RATE, momentum=0.9, **options)
        return AdamW(settings, lr=LEARNING_RATE, **options)
    except (RuntimeError, TypeError) as error:
        # torch's own refusal is the test: fused came to CPU, and to SGD at all, in different releases.
        raise UnsupportedError(f"torch refuses {variant}: {str(error).splitlines()[0]}") from error


def _capturable(groups: tuple[DecayGroup, ...]) -> Optimizer:
    # torch refuses it at the first step only.
    if any(parameter.device.type == HOST for group in groups for parameter in group.parameters):
        raise UnsupportedError(f"{CAPTURABLE} keeps its step count on the device; it needs a GPU")
    return AdamW(_settings(groups), lr=LEARNING_RATE, foreach=True, capturable=True)


def _settings(groups: tuple[DecayGroup, ...]) -> list[dict[str, Any]]:
    return [{"params": list(group.parameters), "weight_decay": group.weight_decay} for group in groups]


def _cells(entry: Entry, every: bool) -> tuple[Cell, ...]:  # noqa: FBT001 (the protocol's flag)
    several = every or entry.name == "transformer"
    variants = EVERYWHERE if every else _ON_ONE_MODEL if several else ("adamw-foreach",)
    off_host = (Cell(entry, "train", CAPTURABLE, off_host=True),) if several else ()
    return (*(Cell(entry, "train", variant) for variant in variants), *off_host)


def _give_gradients(model: Model) -> None:
    """Run one backward pass; the gradients stay, and what else the call changes is put back."""
    state = ModelState.of(model)
    model.loss_of_forward().backward()  # type: ignore[no-untyped-call]
    gradients = [(parameter, parameter.grad) for parameter in model.module.parameters()]
    state.restore()
    for parameter, gradient in gradients:
        parameter.grad = gradient


def _build(case: Case, arm: str, model: Model) -> Step:
    groups = decay_groups(model.module, arm, WEIGHT_DECAY)
    check_groups(model.module, groups)
    optimizer = make_optimizer(case.variant, groups)
    if all(parameter.grad is None for group in groups for parameter in group.parameters):
        _give_gradients(model)
    if case.variant == CAPTURABLE:
        with warnings.catch_warnings():
            # It advises, once, against what is asked here: what this optimizer costs outside a graph.
            warnings.filterwarnings("ignore", message="This instance was constructed with capturable=True")
            try:
                optimizer.step()
            except AssertionError as error:  # torch's way to say that it has no such step for the device
                raise UnsupportedError(f"torch refuses {case.variant}: {first_line(error)}") from error

    # The gradients stay, so that every step does the same work.
    parts = (Part("optimizer", optimizer.step), Part("forward", model.loss_of_forward))
    return Step(parts, model, model.loss_of_forward, optimizer, groups)


QUESTION = Question(
    name="decay_groups",
    asks="What do parameter groups with their own weight decay cost an optimizer step?",
    arms=lambda _entry: POLICIES,
    cells=_cells,
    build=_build,
    columns=("optimizer state", "optimizer temporary", "optimizer operators", "forward peak"),
    models=("mlp-relu", "transformer", "hf:bert-tiny"),
    arms_are_undone=True,
)
