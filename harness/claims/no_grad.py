"""Claims about `no_grad`: how long it lasts, what it does not freeze, and what requires grad all the same."""

import contextlib
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import nn

from harness.claims.claim import Evidence, Lab, claim
from harness.claims.record import Check, Number
from harness.claims.timing import (
    case_of,
    one_part,
    ratio_number,
    time_calls,
)
from harness.measure.observe import Observation
from harness.workload.model import Model
from harness.workload.question import Question
from harness.workload.questions import grad_mode
from harness.workload.sources import build
from harness.workload.tensors import tensors_in

Context = Callable[[], AbstractContextManager[object]]
_TOGETHER = 100  # assignments timed in one call; one alone is about as short as the clock's reading


def _freeze(parameter: nn.Parameter) -> None:
    parameter.requires_grad = False


def _freeze_wrapped(parameter: nn.Parameter) -> None:
    with torch.no_grad():
        parameter.requires_grad = False


@dataclass(frozen=True, slots=True)
class World:
    """What these claims run; by default the real torch."""

    no_grad: Context = torch.no_grad
    inference_mode: Context = torch.inference_mode
    question: Question = field(default=grad_mode.QUESTION)
    freeze: Callable[[nn.Parameter], None] = _freeze
    freeze_wrapped: Callable[[nn.Parameter], None] = _freeze_wrapped
    record: Callable[[Model], object] = Model.loss_of_forward


REAL = World()


def model_of(name: str, lab: Lab, mode: str = "eval") -> Model:
    """Build a model from the seed, in a mode."""
    return build(case_of(grad_mode.QUESTION, name, mode), lab.seed)


def _mlp(lab: Lab) -> Model:
    return model_of("mlp-relu", lab, "train")


def _train(model: Model, steps: int = 3) -> None:
    """Train for a few steps of SGD on what is trainable."""
    trainable = [parameter for parameter in model.module.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(trainable, lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        model.loss_of_forward().backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def parameters_of(model: Model) -> list[torch.Tensor]:
    """Return copies of a model's parameters."""
    return [parameter.detach().clone() for parameter in model.module.parameters()]


def equal(those: Iterable[torch.Tensor], others: Iterable[torch.Tensor]) -> bool:
    """Return whether tensors are equal bit for bit, one after the other."""
    return all(torch.equal(one, other) for one, other in zip(those, others, strict=True))


def _leave(how: str) -> None:
    if how != "normally":
        raise KeyError(how)


@claim(
    "N4",
    "It is temporary: parameters keep `requires_grad` and train afterwards.",
    "A model that runs forward inside the context, once normally and once leaving it by an "
    "exception, then trains "
    "for 3 steps, against a twin that never entered it.",
)
def is_temporary(lab: Lab, world: World = REAL) -> Evidence:
    """Train after no_grad, and compare with a model that never saw it."""
    checks = []
    twin = _mlp(lab)
    _train(twin)
    for leaving in ("normally", "by an exception"):
        model = _mlp(lab)
        before = parameters_of(model)
        with contextlib.suppress(KeyError), world.no_grad():
            model()
            _leave(leaving)
        enabled = torch.is_grad_enabled()
        unchanged = all(parameter.requires_grad for parameter in model.module.parameters())
        if enabled and unchanged:
            _train(model)
        moved = sum(not torch.equal(a, b) for a, b in zip(before, model.module.parameters(), strict=True))
        same = equal(parameters_of(model), parameters_of(twin))
        says = (
            f"left {leaving}: recording is {'on' if enabled else 'off'}, requires_grad "
            f"{'kept' if unchanged else 'lost'}, "
            f"{moved} of {len(before)} parameters then train, "
            f"{'equal' if same else 'unequal'} to the twin's bit for bit"
        )
        checks.append(Check(says=says, holds=enabled and unchanged and moved == len(before) and same))
    return Evidence(
        tuple(checks), (Number(name="parameters", value=len(list(twin.module.parameters())), unit="1"),)
    )


@claim(
    "N5",
    "Wrapping `param.requires_grad = False` in `no_grad` helps to freeze.",
    "Two twins, frozen with and without the wrapper: their flags, their parameters after 3 "
    "training steps, the "
    "nodes, operators and bytes of a forward pass. Beside "
    "it, the time of the assignment, and what the wrapper "
    "is needed for: writing values into a leaf that is trainable.",
)
def wrapping_helps(lab: Lab, world: World = REAL) -> Evidence:
    """Freeze with and without the wrapper, and look for any difference."""
    plain, wrapped = _mlp(lab), _mlp(lab)
    for model, freeze in ((plain, world.freeze), (wrapped, world.freeze_wrapped)):
        for parameter in model.trunk_parameters():
            freeze(parameter)
    flags = [[p.requires_grad for p in model.module.parameters()] for model in (plain, wrapped)]
    shown = [
        Observation(one_part(model.loss_of_forward, model.module, *tensors_in(model.inputs)))
        for model in (plain, wrapped)
    ]
    costs = [
        (s.graph.nodes, len(s.whole.operators), s.forward.peak_bytes(), s.graph.saved_bytes) for s in shown
    ]
    for model in (plain, wrapped):
        _train(model)
    same_path = equal(parameters_of(plain), parameters_of(wrapped))
    spare = [nn.Parameter(torch.zeros(1)) for _ in range(_TOGETHER)]

    def each(freeze: Callable[[nn.Parameter], None]) -> None:
        for parameter in spare:
            freeze(parameter)

    act = time_calls(partial(each, world.freeze), partial(each, world.freeze_wrapped), lab, "N5")
    checks = (
        Check(
            where="what is frozen",
            says=f"flags {'equal' if flags[0] == flags[1] else 'differ'}, parameters after training "
            f"{'equal bit for bit' if same_path else 'differ'}",
            holds=flags[0] != flags[1] or not same_path,
        ),
        Check(
            where="cost of the model afterwards",
            says=f"plain {_cost(costs[0])}; wrapped {_cost(costs[1])}",
            holds=costs[1] < costs[0],
        ),
    )
    numbers = (
        Number(name="assignment, plain", value=act.reference_seconds / _TOGETHER, unit="s"),
        Number(name="assignment, wrapped", value=act.seconds / _TOGETHER, unit="s"),
        ratio_number("assignment, wrapped / plain", act.judgement),
        Number(name="zero_() on a trainable leaf, without no_grad", text=_write(torch.enable_grad)),
        Number(name="zero_() on a trainable leaf, under no_grad", text=_write(world.no_grad)),
    )
    return Evidence(checks, numbers)


def _cost(cost: tuple[int, ...]) -> str:
    return "{} nodes, {} operators, {:,} B peak, {:,} B saved".format(*cost)


def _write(context: Context) -> str:
    leaf = nn.Parameter(torch.ones(2))
    try:
        with context():
            leaf.zero_()
    except RuntimeError:
        return "refused"
    return "done"


@claim(
    "N6",
    "`no_grad` cannot replace `requires_grad = False` for freezing; freezing is what lasts.",
    "Training after a forward pass under no_grad and after freezing; then a trunk that runs "
    "under no_grad in every "
    "step, alone and with a trainable layer before it, against a frozen trunk.",
)
def cannot_replace_freezing(lab: Lab, world: World = REAL) -> Evidence:
    """Compare what moves after no_grad, after freezing, and with the trunk under no_grad in every step."""
    after, frozen = _mlp(lab), _mlp(lab)
    with world.no_grad():
        after()
    for parameter in frozen.trunk_parameters():
        world.freeze(parameter)
    moved = []
    for model in (after, frozen):
        before = [parameter.detach().clone() for parameter in model.trunk_parameters()]
        _train(model)
        moved.append(
            sum(not torch.equal(a, b) for a, b in zip(before, model.trunk_parameters(), strict=True))
        )
    trunk = len(before)
    every_step, twin = _mlp(lab), _mlp(lab)
    for parameter in twin.trunk_parameters():
        world.freeze(parameter)
    _no_grad_from(every_step, world, first=0)
    for model in (every_step, twin):
        _train(model)
    same = equal(parameters_of(every_step), parameters_of(twin))
    gradients: list[bool] = []
    for model in (_mlp(lab), _mlp(lab)):
        if not gradients:
            _no_grad_from(model, world, first=2)
        else:
            for parameter in list(model.module.parameters())[2:4]:
                world.freeze(parameter)
        model.loss_of_forward().backward()  # type: ignore[no-untyped-call]
        first = next(iter(model.module.parameters()))
        gradients.append(first.grad is not None)
    return Evidence(
        (
            Check(
                where="the block has been left",
                says=f"parameters of the trunk that move: {moved[0]} of {trunk} after "
                f"no_grad, {moved[1]} of {trunk} frozen",
                holds=moved[0] == trunk and moved[1] == 0,
            ),
            Check(
                where="a layer before it is to train",
                says=f"the first layer gets a gradient: {gradients[0]} with the second under no_grad, "
                f"{gradients[1]} with the second frozen",
                holds=gradients[1] and not gradients[0],
            ),
            Check(
                where="all layers from the first run under no_grad in every step",
                says=f"the path of training is {'the same as' if same else 'another than'} with "
                "them frozen, bit for bit",
                holds=not same,
            ),
        ),
        (
            Number(name="trunk parameters that move after no_grad", value=moved[0], unit="1"),
            Number(name="trunk parameters that move when frozen", value=moved[1], unit="1"),
        ),
    )


def _no_grad_from(model: Model, world: World, first: int) -> None:
    """Make the trunk's layers run inside the context: all, or the one at `first` alone."""
    layers = [child for child in list(model.module.children())[first:-1] if child is not model.head_module()]
    for layer in layers if first == 0 else layers[:1]:
        forward = layer.forward

        def inside(
            x: torch.Tensor, forward: Callable[[torch.Tensor], torch.Tensor] = forward
        ) -> torch.Tensor:
            with world.no_grad():
                return forward(x)

        layer.forward = inside


@claim(
    "N8",
    "Inside `no_grad` one need not set `requires_grad` by hand: nothing computed there requires grad.",
    "Results of operators, and tensors and parameters that are created inside the context.",
)
def nothing_requires_grad(lab: Lab, world: World = REAL) -> Evidence:
    """Look at the flag of what comes out of the context."""
    del lab
    weight = nn.Parameter(torch.ones(3))
    with world.no_grad():
        made: dict[str, dict[str, torch.Tensor]] = {
            "values computed there": {"2 w": weight * 2, "sum of w": weight.sum(), "w >= 0": weight >= 0},
            "views of a leaf that requires grad": {"w.view(3, 1)": weight.view(3, 1)},
            "tensors created there with requires_grad=True": {
                "torch.ones(3, requires_grad=True)": torch.ones(3, requires_grad=True)
            },
            "nn.Parameter made there": {"nn.Parameter(2 w)": nn.Parameter(weight * 2)},
            "modules made there": {"nn.Linear(3, 3).weight": nn.Linear(3, 3).weight},
        }
    checks = tuple(
        Check(
            where=where,
            says=f"{what}: requires_grad is {tensor.requires_grad}",
            holds=not tensor.requires_grad,
        )
        for where, tensors in made.items()
        for what, tensor in tensors.items()
    )
    failing = sum(check.holds is False for check in checks)
    return Evidence(checks, (Number(name="tensors that require grad all the same", value=failing, unit="1"),))
