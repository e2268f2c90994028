"""Claims about `no_grad`: what it switches off, what that is worth, and what it does not do."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace

import torch
from torch import nn

from harness.claims.claim import Evidence, Lab, Section, by_place, claim
from harness.claims.timing import (
    case_of,
    in_words,
    is_better,
    judged,
    measure_case,
    one_part,
    ratio_number,
    seconds,
    time_calls,
)
from harness.measure.observe import Observation
from harness.measure.runner import Settings, measure_arm
from harness.record.claims import Check, Number, Panel, Plot, Series
from harness.workload.model import Model
from harness.workload.question import Question
from harness.workload.questions import grad_mode
from harness.workload.sources import build
from harness.workload.tensors import tensors_in

Context = Callable[[], AbstractContextManager[object]]


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


def _model(name: str, lab: Lab, mode: str = "eval") -> Model:
    return build(case_of(grad_mode.QUESTION, name, mode), lab.seed)


def _mlp(lab: Lab) -> Model:
    return _model("mlp-relu", lab, "train")


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


def equal(left: Iterable[torch.Tensor], right: Iterable[torch.Tensor]) -> bool:
    """Return whether tensors are equal bit for bit, one after the other."""
    return all(torch.equal(one, other) for one, other in zip(left, right, strict=True))


class _GradInside(nn.Module):
    """A module that switches recording on inside its own forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(16, 16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.enable_grad():
            return torch.tanh(self.layer(x))


@claim(
    "N1",
    "Inside `with torch.no_grad()` no graph is recorded.",
    "The forward pass of every model inside the context: outputs with a grad_fn, autograd nodes, bytes saved for "
    "backward; and a module that switches recording on again inside.",
)
def records_nothing(lab: Lab, world: World = World()) -> Evidence:  # noqa: B008 (frozen)
    """Look for a graph behind what a forward pass under no_grad returns."""
    found, numbers = [], []

    def look(place: str, where: str, model: Model) -> None:
        def forward() -> object:
            with world.no_grad():
                return model()

        seen = Observation(one_part(forward, model.module, *tensors_in(model.inputs)))
        functions = sum(tensor.grad_fn is not None for tensor in tensors_in(forward()))
        saved = sum(storage.bytes for storage in seen.graph.saved)
        holds = functions == seen.graph.nodes == saved == 0
        says = f"{place}: {functions} outputs with a grad_fn, {seen.graph.nodes} nodes, {saved:,} B saved"
        found.append((where, place, holds, says))
        numbers.append(Number(name=f"{place}: nodes under no_grad", value=seen.graph.nodes, unit="1"))

    for name in lab.models:
        look(name, "nothing inside switches recording on again", _model(name, lab))
    inside = _GradInside()
    look(
        "a module that uses enable_grad",
        "the module uses enable_grad inside",
        Model(inside, (torch.ones(4, 16),)),
    )
    return Evidence(by_place(found), tuple(numbers))


@claim(
    "N2",
    "`no_grad` reduces the memory of inference.",
    "Peak and retained bytes of a forward pass of every model, from the allocator's own events, with recording and "
    "under no_grad and inference_mode.",
)
def saves_memory(lab: Lab, world: World = World()) -> Evidence:  # noqa: B008
    """Compare bytes with and without recording."""
    found, numbers = [], []
    for name in lab.models:
        case = case_of(world.question, name, "eval")
        arms = {
            arm: measure_arm(world.question, case, arm, Settings(budget=0, seed=lab.seed)).counts
            for arm in grad_mode.ARMS
        }
        for metric in ("peak", "retained"):
            before, after = arms["grad"][metric], arms["no_grad"][metric]
            found.append(
                (f"{metric} bytes", name, after < before, f"{name}: {metric} {before:,} B, then {after:,} B")
            )
            numbers.append(Number(name=f"{name}: {metric}, grad", value=before, unit="B"))
            numbers.append(Number(name=f"{name}: {metric}, no_grad", value=after, unit="B"))
            third = arms["inference_mode"][metric]
            numbers.append(Number(name=f"{name}: {metric}, inference_mode", value=third, unit="B"))
    return Evidence(by_place(found), tuple(numbers))


@claim(
    "N3",
    "`no_grad` makes inference faster.",
    "A forward pass of every model timed in pairs with and without recording; all models judged as one family at "
    "99 %, differences within 0.5 % counting as none; the noise floor is the interval of recording against an "
    "independent copy of itself.",
)
def saves_time(lab: Lab, world: World = World()) -> Evidence:  # noqa: B008
    """Compare times with and without recording."""
    longer = replace(lab, budget=2 * lab.budget)  # most of these differences are small
    records = [
        measure_case(world.question, case_of(world.question, name, "eval"), grad_mode.ARMS, longer)
        for name in lab.models
    ]
    by_arm = {
        arm: judged([result for record in records for result in record.arms if result.arm == arm])
        for arm in grad_mode.ARMS
    }
    checks, numbers = [], []
    for name, record, control, judgement, inference in zip(
        lab.models, records, by_arm["grad"], by_arm["no_grad"], by_arm["inference_mode"], strict=True
    ):
        floor = "no interval" if control.low is None else f"[{control.low:.3f}, {control.high:.3f}]"
        says = f"{name}: {in_words(judgement)}, noise floor {floor}"
        checks.append(Check(where=name, says=says, holds=is_better(judgement)))
        numbers.append(Number(name=f"{name}: time, grad", value=seconds(record.arms[0]), unit="s"))
        numbers.append(ratio_number(f"{name}: no_grad / grad", judgement))
        numbers.append(ratio_number(f"{name}: inference_mode / grad", inference))
        numbers.append(ratio_number(f"{name}: noise floor", control))
    return Evidence(tuple(checks), tuple(numbers), (_time_plot(lab.models, numbers),))


def _time_plot(models: tuple[str, ...], numbers: list[Number]) -> Plot:
    series = []
    for arm, shift in (("no_grad / grad", -0.2), ("inference_mode / grad", 0.0), ("noise floor", 0.2)):
        taken = [next(n for n in numbers if n.name == f"{model}: {arm}") for model in models]
        value = [number.value if number.value is not None else 1.0 for number in taken]
        series.append(
            Series(
                name=arm,
                x=tuple(value),
                y=tuple(index + shift for index in range(len(models))),
                low=tuple(n.low if n.low is not None else v for n, v in zip(taken, value, strict=True)),
                high=tuple(n.high if n.high is not None else v for n, v in zip(taken, value, strict=True)),
                mark="points",
            )
        )
    panel = Panel(
        title="time of a forward pass",
        x_label="ratio to recording the graph",
        y_label="",
        series=tuple(series),
        ticks=models,
        line=1.0,
    )
    caption = "Left of 1 is faster. Bars are 99 % intervals; the noise floor compares recording with a copy of itself."
    return Plot(name="N3", caption=caption, panels=(panel,))


@claim(
    "N4",
    "It is temporary: parameters keep `requires_grad` and train afterwards.",
    "A model that runs forward inside the context, once normally and once leaving it by an exception, then trains "
    "for 3 steps, against a twin that never entered it.",
)
def is_temporary(lab: Lab, world: World = World()) -> Evidence:  # noqa: B008
    """Train after no_grad, and compare with a model that never saw it."""
    checks = []
    twin = _mlp(lab)
    _train(twin)
    for leaving in ("normally", "by an exception"):
        model = _mlp(lab)
        before = parameters_of(model)
        try:
            with world.no_grad():
                model()
                if leaving != "normally":
                    raise KeyError(leaving)
        except KeyError:
            pass
        enabled = torch.is_grad_enabled()
        kept = all(parameter.requires_grad for parameter in model.module.parameters())
        if enabled and kept:
            _train(model)
        moved = sum(not torch.equal(a, b) for a, b in zip(before, model.module.parameters(), strict=True))
        same = equal(parameters_of(model), parameters_of(twin))
        says = (
            f"left {leaving}: recording is {'on' if enabled else 'off'}, requires_grad {'kept' if kept else 'lost'}, "
            f"{moved} of {len(before)} parameters then train, {'equal' if same else 'unequal'} to the twin's bit for bit"
        )
        checks.append(Check(says=says, holds=enabled and kept and moved == len(before) and same))
    return Evidence(
        tuple(checks), (Number(name="parameters", value=len(list(twin.module.parameters())), unit="1"),)
    )


@claim(
    "N5",
    "Wrapping `param.requires_grad = False` in `no_grad` helps to freeze.",
    "Two twins, frozen with and without the wrapper: their flags, their parameters after 3 training steps, the "
    "nodes, operators and bytes of a forward pass, and the time of the assignment. Beside it, what the wrapper "
    "is needed for: writing values into a leaf that is trainable.",
)
def wrapping_helps(lab: Lab, world: World = World()) -> Evidence:  # noqa: B008
    """Freeze with and without the wrapper, and look for any difference."""
    plain, wrapped = _mlp(lab), _mlp(lab)
    for model, freeze in ((plain, world.freeze), (wrapped, world.freeze_wrapped)):
        for parameter in model.trunk_parameters():
            freeze(parameter)
    flags = [[p.requires_grad for p in model.module.parameters()] for model in (plain, wrapped)]
    seen = [
        Observation(one_part(model.loss_of_forward, model.module, *tensors_in(model.inputs)))
        for model in (plain, wrapped)
    ]
    costs = [(s.graph.nodes, len(s.whole.operators), s.forward.peak_bytes(), s.books.saved) for s in seen]
    for model in (plain, wrapped):
        _train(model)
    same_path = equal(parameters_of(plain), parameters_of(wrapped))
    spare = [nn.Parameter(torch.zeros(1)) for _ in range(2)]
    act = time_calls(lambda: world.freeze(spare[0]), lambda: world.freeze_wrapped(spare[1]), lab, "N5")
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
        Check(
            where="time of the assignment",
            says=f"wrapped against plain, {in_words(act.judgement)}",
            holds=is_better(act.judgement),
        ),
    )
    numbers = (
        Number(name="assignment, plain", value=act.reference_seconds, unit="s"),
        Number(name="assignment, wrapped", value=act.seconds, unit="s"),
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
    "Training after a forward pass under no_grad and after freezing; then a trunk that runs under no_grad in every "
    "step, alone and with a trainable layer before it, against a frozen trunk.",
)
def cannot_replace_freezing(lab: Lab, world: World = World()) -> Evidence:  # noqa: B008
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
    gradients = []
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
                says=f"parameters of the trunk that move: {moved[0]} of {trunk} after no_grad, {moved[1]} of {trunk} frozen",
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
                says=f"the path of training is {'the same' if same else 'another'} than with them frozen, bit for bit",
                holds=not same,
            ),
        ),
        (
            Number(name="trunk parameters that move after no_grad", value=moved[0], unit="1"),
            Number(name="trunk parameters that move when frozen", value=moved[1], unit="1"),
        ),
    )


def _no_grad_from(model: Model, world: World, first: int) -> None:
    """Make the layers from `first` to the head run inside the context; with 2, the second linear layer alone."""
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
    "N7",
    "What is computed inside `no_grad` is the same.",
    "Outputs of every model with recording, under no_grad and under inference_mode, in train mode (same random "
    "numbers) and in eval mode, compared bit for bit.",
)
def computes_the_same(lab: Lab, world: World = World()) -> Evidence:  # noqa: B008
    """Compare outputs bit for bit."""
    found, numbers = [], []
    for name in lab.models:
        for mode in ("eval", "train"):
            outputs = []
            for context in (torch.enable_grad, world.no_grad, world.inference_mode):
                model = _model(name, lab, mode)
                torch.manual_seed(lab.seed + 1)
                with context():
                    outputs.append([tensor.detach().clone() for tensor in tensors_in(model())])
            same = equal(outputs[0], outputs[1]) and equal(outputs[0], outputs[2])
            apart = max(
                float((one.double() - other.double()).abs().max())
                for others in outputs[1:]
                for one, other in zip(outputs[0], others, strict=True)
            )
            says = f"{name}, {mode}: " + ("equal bit for bit" if same else f"differ, by up to {apart:.1e}")
            found.append((f"{mode} mode", name, same, says))
            numbers.append(Number(name=f"{name}, {mode}: largest difference", value=apart))
    return Evidence(by_place(found), tuple(numbers))


@claim(
    "N8",
    "Inside `no_grad` one need not set `requires_grad` by hand: nothing computed there requires grad.",
    "Results of operators, and tensors and parameters that are created inside the context.",
)
def nothing_requires_grad(lab: Lab, world: World = World()) -> Evidence:  # noqa: B008
    """Look at the flag of what comes out of the context."""
    del lab
    weight = nn.Parameter(torch.ones(3))
    with world.no_grad():
        made = {
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
    asked = sum(check.holds is False for check in checks)
    return Evidence(checks, (Number(name="tensors that require grad all the same", value=asked, unit="1"),))


SECTION = Section(
    "no_grad",
    (
        records_nothing,
        saves_memory,
        saves_time,
        is_temporary,
        wrapping_helps,
        cannot_replace_freezing,
        computes_the_same,
        nothing_requires_grad,
    ),
)
