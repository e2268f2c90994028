"""What does freezing part of a model save in a training step?"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase

import torch
from torch import nn

from harness.record.measured import Case
from harness.workload.head import trunk_modules, with_head
from harness.workload.model import Model, UnsupportedError, WorkloadError
from harness.workload.models import Entry
from harness.workload.question import Cell, Question
from harness.workload.state import ModelState
from harness.workload.step import Part, Step
from harness.workload.training import training_step

REFERENCE = "all trainable"
AS_HANDED_OVER = "as handed over"
EVERYTHING = "everything trainable"
BY_NAME = "frozen by name"
TRUNK_NO_GRAD = "trunk under no_grad"
ARMS = (REFERENCE, "trunk frozen", "head frozen", "biases only", "all frozen", TRUNK_NO_GRAD)
# Of a model that is partly frozen already, as one with adapters is: freezing more is not the question alone.
_PARTLY_FROZEN = (AS_HANDED_OVER, EVERYTHING, "trunk frozen", "biases only", "all frozen", TRUNK_NO_GRAD)


def _by_pattern(entry: Entry) -> str:
    return f"only {', '.join(entry.trainable)}"


def _arms(entry: Entry) -> tuple[str, ...]:
    arms = _PARTLY_FROZEN if entry.partly_frozen else ARMS
    by_pattern = (_by_pattern(entry),) if entry.trainable else ()
    return (*arms, *by_pattern, *((BY_NAME,) if entry.named else ()))


def freeze(model: Model, arm: str, named: tuple[str, ...] = (), patterns: tuple[str, ...] = ()) -> None:
    """Set `requires_grad` as an arm says.

    Args:
        model: whose parameters they are; with a head, where the arm is about it.
        arm: its name.
        named: the parameters that the arm "frozen by name" freezes.
        patterns: of the parameters that the arm "only ..." trains, as the shell has them.

    Raises:
        WorkloadError: a name in `named` is not that of a parameter, or no parameter fits a pattern.
    """
    parameters = dict(model.module.named_parameters())
    every = _trainable(parameters)
    rules: dict[str, Callable[[], set[str]]] = {
        "trunk frozen": lambda: _names(parameters, model.head_parameters()),
        "head frozen": lambda: every - _names(parameters, model.head_parameters()),
        "biases only": lambda: {name for name in parameters if "bias" in name.rpartition(".")[2]},
        BY_NAME: lambda: every - _known(parameters, named),
        "all frozen": set,
        EVERYTHING: lambda: {name for name, each in parameters.items() if _is_differentiable(each)},
    }
    if patterns:
        rules[arm] = lambda: set(matching(parameters, patterns))
    if arm in rules:
        trained = rules[arm]()
        if arm == "biases only" and not trained:
            raise UnsupportedError("the model has no parameter with 'bias' in its name")
        for name, parameter in parameters.items():
            parameter.requires_grad_(name in trained)


def _known(parameters: Mapping[str, nn.Parameter], named: tuple[str, ...]) -> set[str]:
    missing = [name for name in named if name not in parameters]
    if missing:
        raise WorkloadError(f"no parameter {missing[0]!r}; there are {', '.join(parameters)}")
    return set(named)


def _is_differentiable(parameter: torch.Tensor) -> bool:
    return parameter.is_floating_point() or parameter.is_complex()


def matching(names: Iterable[str], patterns: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names that fit one of the patterns, wholly or from a dot on: "lora_*" fits "block.lora_a".

    Raises:
        WorkloadError: a pattern fits no name.

    >>> matching(["block.lora_a", "block.weight"], ("lora_*",))
    ('block.lora_a',)
    """
    names = list(names)
    fitting: dict[str, None] = {}
    for pattern in patterns:
        fits = [name for name in names if any(fnmatchcase(end, pattern) for end in _ends(name))]
        if not fits:
            raise WorkloadError(f"no parameter fits {pattern!r}; there are {', '.join(names[:20])}")
        fitting |= dict.fromkeys(fits)
    return tuple(name for name in names if name in fitting)


def _ends(name: str) -> Iterator[str]:
    parts = name.split(".")
    return (".".join(parts[start:]) for start in range(len(parts)))


def _names(parameters: Mapping[str, nn.Parameter], some: Iterable[nn.Parameter]) -> set[str]:
    wanted = {id(parameter) for parameter in some}
    return {name for name, parameter in parameters.items() if id(parameter) in wanted}


def _trainable(parameters: Mapping[str, nn.Parameter]) -> set[str]:
    return {name for name, parameter in parameters.items() if parameter.requires_grad}


def run_trunk_without_grad(model: Model) -> None:
    """Make every submodule before the head run under `no_grad`; its parameters stay trainable."""
    for module in trunk_modules(model):
        module.forward = torch.no_grad()(module.forward)  # of this instance alone


def _loss_under_trunk(model: Model) -> torch.Tensor:
    """Return the loss with the trunk under `no_grad`.

    Raises:
        UnsupportedError: the model does not run so, as one that differentiates inside.
    """
    try:
        return model.loss_of_forward()
    except RuntimeError as error:
        raise UnsupportedError(f"the model does not run with its trunk under no_grad: {error}") from error


def _build(case: Case, arm: str, model: Model) -> Step:
    from harness.workload.sources import resolve

    ready = with_head(model) if arm in {"trunk frozen", "head frozen", TRUNK_NO_GRAD} else model
    before = _trainable(dict(ready.module.named_parameters()))
    patterns = tuple(arm.removeprefix("only ").split(", ")) if arm.startswith("only ") else ()
    freeze(ready, arm, resolve(case.model).named if arm == BY_NAME else (), patterns)
    named = dict(ready.module.named_parameters())
    trains = frozenset(_trainable(named))
    notes: tuple[str, ...] = ()
    if arm not in {REFERENCE, AS_HANDED_OVER, TRUNK_NO_GRAD} and trains == before:
        notes = (f"{arm!r} changes nothing here: the same parameters train without it",)
    if arm == TRUNK_NO_GRAD:
        run_trunk_without_grad(ready)
        trains &= _names(named, ready.head_parameters())
        state = ModelState.of(ready)
        is_trained = _loss_under_trunk(ready).requires_grad
        state.restore()
        if not is_trained:
            raise UnsupportedError(
                "something that runs after the head runs under no_grad too, so that nothing is trained; name"
                " the head in Model.head"
            )
    if not _trainable(named):
        return Step((Part("forward", ready.loss_of_forward),), ready, ready.loss_of_forward, notes=notes)
    return replace(training_step(ready), trains=trains, notes=notes)


QUESTION = Question(
    name="freezing",
    asks="What does freezing part of a model save in a training step?",
    arms=_arms,
    cells=lambda entry, _every: (Cell(entry, "train"),),
    build=_build,
    columns=("peak", "retained", "saved", "gradients", "nodes"),
    models=("mlp-relu", "mlp-gelu", "convnet", "transformer", "hf:bert-tiny"),
    arms_are_undone=True,
)
