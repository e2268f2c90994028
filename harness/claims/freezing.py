"""Claims about freezing: what stops moving, what moves all the same, and what it saves."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import torch
from torch import nn
from torch.optim import SGD, Adam, Optimizer

from harness.claims.claim import Evidence, Lab, Section, claim
from harness.claims.freezing_panels import position_name, savings_panels
from harness.claims.freezing_scope import freezing_is_permanent, optimizer_ignores_the_graph
from harness.claims.record import Check, Number, Plot
from harness.claims.regression import MakeOptimizer
from harness.claims.timing import (
    case_of,
    is_better,
    judged,
    judgement_words,
    measure_case,
    ratio_number,
    seconds,
)
from harness.record.schema import Case
from harness.workload.model import Model
from harness.workload.question import Question
from harness.workload.questions import freezing
from harness.workload.sources import build
from harness.workload.step import Step
from harness.workload.training import training_step

_NAMES = ("conv.weight", "conv.bias")


def _freeze(parameter: nn.Parameter) -> None:
    parameter.requires_grad = False


def _freeze_names(model: Model, names: tuple[str, ...]) -> None:
    freezing.freeze(model, freezing.BY_NAME, names)


@dataclass(frozen=True, slots=True)
class World:
    """What these claims run; by default the real torch."""

    freeze: Callable[[nn.Parameter], None] = _freeze
    freeze_names: Callable[[Model, tuple[str, ...]], None] = _freeze_names
    trunk_without_grad: Callable[[Model], None] = freezing.run_trunk_without_grad
    adam: MakeOptimizer = Adam
    sgd: MakeOptimizer = SGD


def _step(model: Model, optimizer: Optimizer, *, set_to_none: bool = True) -> None:
    optimizer.zero_grad(set_to_none=set_to_none)
    loss = model.loss_of_forward()
    if loss.requires_grad:
        loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


@dataclass(frozen=True, slots=True)
class _Moves:
    """What a few training steps did to the parameters, by name."""

    moved: frozenset[str]
    with_gradient: frozenset[str]

    def as_frozen(self, frozen: Iterable[str], every: Iterable[str]) -> bool:
        """Return whether the frozen ones stood still without a gradient and all the others moved."""
        rest = frozenset(every) - frozenset(frozen)
        return self.moved == rest and self.with_gradient == rest


def _train(model: Model, world: World) -> _Moves:
    named = dict(model.module.named_parameters())
    before = {name: parameter.detach().clone() for name, parameter in named.items()}
    # Adam moves a parameter by about the learning rate however small its gradient is.
    optimizer = world.adam(list(named.values()), lr=0.01)
    for _ in range(3):
        _step(model, optimizer)
    return _Moves(
        frozenset(name for name, value in before.items() if not torch.equal(value, named[name])),
        frozenset(name for name, parameter in named.items() if parameter.grad is not None),
    )


def _model(name: str, lab: Lab) -> Model:
    return build(case_of(freezing.QUESTION, name, "train"), lab.seed)


@claim(
    "F1",
    "A parameter with `requires_grad = False` gets no gradient and is not updated; the others are.",
    "Every other parameter of the built-in models frozen, then 3 training steps with all of "
    "them in the optimizer: "
    "who has a gradient, who moved.",
)
def frozen_stays(lab: Lab, world: World = World()) -> Evidence:
    """Freeze every other parameter and train."""
    checks, numbers = [], []
    for name in lab.own_models:
        model = _model(name, lab)
        named = dict(model.module.named_parameters())
        frozen = list(named)[::2]
        for key in frozen:
            world.freeze(named[key])
        moves = _train(model, world)
        stuck = len(moves.moved & set(frozen))
        says = (
            f"{name}: of {len(frozen)} frozen, {stuck} moved and "
            f"{len(moves.with_gradient & set(frozen))} have a "
            f"gradient; of {len(named) - len(frozen)} others {len(moves.moved - set(frozen))} moved"
        )
        checks.append(Check(says=says, holds=moves.as_frozen(frozen, named)))
        numbers.append(Number(name=f"{name}: frozen parameters that moved", value=stuck, unit="1"))
    return Evidence(tuple(checks), tuple(numbers))


@claim(
    "F2",
    "A frozen parameter does not change at all while training.",
    "A weight is frozen in six states of its gradient and its optimizer, and 5 more steps "
    "are taken with it in "
    "the optimizer; batch normalisation is frozen in train and in eval mode, and its buffers are compared.",
)
def frozen_never_changes(lab: Lab, world: World = World()) -> Evidence:
    """Freeze in different states of gradient and optimizer, and look for movement."""
    plain, heavy = {"lr": 0.1}, {"lr": 0.1, "momentum": 0.9}
    decayed = {"lr": 0.1, "weight_decay": 0.1}
    settings = (
        ("its .grad is None", "SGD", plain, "none"),
        (
            "its .grad is None, even with momentum and decay",
            "SGD, momentum 0.9, decay 0.1",
            heavy | decayed,
            "none",
        ),
        ("its .grad is zero and SGD has no momentum and no decay", "SGD", plain, "zero"),
        ("its .grad is zero and there is momentum from before", "SGD, momentum 0.9", heavy, "zero"),
        ("its .grad is zero and there is decay", "SGD, decay 0.1", decayed, "zero"),
        ("its .grad still holds a gradient", "SGD", plain, "stale"),
    )
    checks, numbers = [], []
    for where, words, options, gradient in settings:
        change = _change_once_frozen(_model("mlp-relu", lab), world, options, gradient)
        checks.append(Check(where=where, says=f"{words}: changed by up to {change:.1e}", holds=change == 0))
        numbers.append(Number(name=f"largest change, {words}, .grad {gradient}", value=change))
    for mode in ("train", "eval"):
        change = _buffers_change(_model("convnet", lab), world, mode)
        where = f"batch normalisation is in {mode} mode, buffers included"
        checks.append(
            Check(
                where=where,
                says=f"running mean and variance changed by up to {change:.1e}",
                holds=change == 0,
            )
        )
        numbers.append(Number(name=f"largest change of buffers, {mode} mode", value=change))
    return Evidence(tuple(checks), tuple(numbers))


def _change_once_frozen(model: Model, world: World, options: dict[str, float], gradient: str) -> float:
    parameters = list(model.module.parameters())
    optimizer = world.sgd(parameters, **options)
    for _ in range(3):
        _step(model, optimizer)
    world.freeze(parameters[0])
    if gradient == "none":
        optimizer.zero_grad(set_to_none=True)
    elif gradient == "zero":
        optimizer.zero_grad(set_to_none=False)
    before = parameters[0].detach().clone()
    for _ in range(5):
        if gradient == "stale":
            optimizer.step()  # without zero_grad, as between accumulated batches
        else:
            _step(model, optimizer, set_to_none=gradient == "none")
    return float((parameters[0].detach() - before).abs().max())


def _buffers_change(model: Model, world: World, mode: str) -> float:
    norm = model.module.get_submodule("norm")
    for parameter in norm.parameters():
        world.freeze(parameter)
    norm.train(mode == "train")
    watched = [*norm.parameters(), *(buffer for buffer in norm.buffers() if buffer.is_floating_point())]
    before = [tensor.detach().clone() for tensor in watched]
    optimizer = world.sgd(list(model.module.parameters()), lr=0.01)
    for _ in range(3):
        _step(model, optimizer)
    return max(float((a.detach() - b).abs().max()) for a, b in zip(watched, before, strict=True))


@claim(
    "F3",
    "One can freeze by name: with `conv.weight` and `conv.bias` frozen, the rest of the model trains.",
    "The small convolutional net with the two names frozen, 3 training steps: who has a gradient, who moved.",
)
def frozen_by_name(lab: Lab, world: World = World()) -> Evidence:
    """Freeze two names and train."""
    model = _model("convnet", lab)
    named = dict(model.module.named_parameters())
    world.freeze_names(model, _NAMES)
    flags = [name for name, parameter in named.items() if not parameter.requires_grad]
    moves = _train(model, world)
    return Evidence(
        (
            Check(says=f"frozen: {', '.join(flags) or 'nothing'}", holds=tuple(flags) == _NAMES),
            Check(
                says=f"moved: {', '.join(name for name in named if name in moves.moved) or 'nothing'}",
                holds=moves.as_frozen(_NAMES, named),
            ),
        ),
        (
            Number(name="parameters frozen", value=len(flags), unit="1"),
            Number(name="parameters that moved", value=len(moves.moved), unit="1"),
        ),
    )


_POSITIONS = (
    "all trainable",
    "trunk frozen",
    "head frozen",
    "biases only",
    "one layer frozen",
    "all frozen",
    freezing.TRUNK_NO_GRAD,
)


def _question(world: World) -> Question:
    """Return the freezing question with one more position, frozen by the world's function."""

    def position(_case: Case, arm: str, model: Model) -> Step:
        chosen = _model_parameters(model, arm)
        for parameter in chosen:
            world.freeze(parameter)
        if arm == freezing.TRUNK_NO_GRAD:
            world.trunk_without_grad(model)
        if not any(parameter.requires_grad for parameter in model.module.parameters()):
            return freezing.QUESTION.build(_case, "all frozen", model)
        return training_step(model)

    return replace(freezing.QUESTION, arms=lambda _entry: _POSITIONS, build=position)


def _model_parameters(model: Model, arm: str) -> list[nn.Parameter]:
    """Return the parameters that a position freezes; they are left as they are."""
    if arm == "one layer frozen":
        layers = [child for child in model.module.modules() if isinstance(child, nn.Linear)]
        return list(layers[len(layers) // 2].parameters())
    if arm == freezing.TRUNK_NO_GRAD:
        return []
    freezing.freeze(model, arm)
    chosen = [parameter for parameter in model.module.parameters() if not parameter.requires_grad]
    for parameter in chosen:
        parameter.requires_grad = True
    return chosen


@claim(
    "F4",
    "Freezing saves time and memory.",
    "A training step with AdamW of two perceptrons, with ReLU and with GELU, frozen by "
    "position: time in pairs "
    "against all trainable, peak bytes of the step, bytes saved for backward. Beside it, the trunk run under "
    "no_grad instead of frozen.",
)
def freezing_saves(lab: Lab, world: World = World()) -> Evidence:
    """Freeze by position; compare time and bytes of a training step."""
    question = _question(world)
    checks, numbers, panels = [], [], []
    for name in lab.timed:
        record = measure_case(question, case_of(question, name, "train"), _POSITIONS, lab)
        reference, *arms = record.arms
        judgements = judged(arms)
        control = judged([reference])[0]
        numbers.append(Number(name=f"{name}, all trainable: time", value=seconds(reference), unit="s"))
        numbers.append(ratio_number(f"{name}, all trainable: noise floor", control))
        numbers += [
            Number(name=f"{name}, all trainable: {metric}", value=reference.counts[metric], unit="B")
            for metric in ("peak", "saved")
        ]
        for arm, judgement in zip(arms, judgements, strict=True):
            shown = position_name(arm.arm)
            says = f"{name}, {shown}: {judgement_words(judgement)}"
            checks.append(Check(where=f"{shown}: time", place=name, says=says, holds=is_better(judgement)))
            numbers.append(ratio_number(f"{name}, {shown}: time / all trainable", judgement))
            for metric in ("peak", "saved"):
                before, after = reference.counts[metric], arm.counts[metric]
                says = f"{name}, {shown}: {metric} {before:,} B, then {after:,} B"
                checks.append(
                    Check(where=f"{shown}: {metric} bytes", place=name, says=says, holds=after < before)
                )
                numbers.append(Number(name=f"{name}, {shown}: {metric}", value=after, unit="B"))
        panels += savings_panels(name, record, judgements)
    caption = (
        "A training step by what is frozen, as a share of the step with everything trainable (dashed line)."
    )
    return Evidence(tuple(checks), tuple(numbers), (Plot(name="F4", caption=caption, panels=tuple(panels)),))


SECTION = Section(
    "Freezing",
    (
        frozen_stays,
        frozen_never_changes,
        frozen_by_name,
        freezing_saves,
        freezing_is_permanent,
        optimizer_ignores_the_graph,
    ),
)
