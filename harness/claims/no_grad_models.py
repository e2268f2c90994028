"""Claims about `no_grad` and every model: what is recorded, what that is worth, what is computed."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import nn

from harness.claims.claim import Evidence, Lab, claim
from harness.claims.no_grad import REAL, World, equal, model_of
from harness.claims.record import Check, Number, Panel, Plot, Series
from harness.claims.timing import (
    case_of,
    is_better,
    judged,
    judgement_words,
    measure_case,
    one_part,
    ratio_number,
    seconds,
)
from harness.measure.observe import Observation
from harness.workload.model import Model
from harness.workload.questions import grad_mode
from harness.workload.sources import build
from harness.workload.tensors import tensors_in


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
    "The forward pass of every model inside the context: outputs with a grad_fn, autograd "
    "nodes, bytes saved for "
    "backward; and a module that switches recording on again inside.",
)
def records_nothing(lab: Lab, world: World = REAL) -> Evidence:
    """Look for a graph behind what a forward pass under no_grad returns."""
    checks, numbers = [], []

    def look(place: str, where: str, model: Model) -> None:
        def forward() -> object:
            with world.no_grad():
                return model()

        observation = Observation(one_part(forward, model.module, *tensors_in(model.inputs)))
        functions = sum(tensor.grad_fn is not None for tensor in tensors_in(forward()))
        saved = sum(storage.bytes for storage in observation.graph.saved)
        holds = functions == observation.graph.nodes == saved == 0
        says = (
            f"{place}: {functions} outputs with a grad_fn, {observation.graph.nodes} nodes, {saved:,} B saved"
        )
        checks.append(Check(where=where, place=place, says=says, holds=holds))
        numbers.append(Number(name=f"{place}: nodes under no_grad", value=observation.graph.nodes, unit="1"))

    for name in lab.models:
        look(name, "nothing inside switches recording on again", model_of(name, lab))
    inside = _GradInside()
    look(
        "a module that uses enable_grad",
        "the module uses enable_grad inside",
        Model(inside, (torch.ones(4, 16),)),
    )
    return Evidence(tuple(checks), tuple(numbers))


@claim(
    "N2",
    "`no_grad` reduces the memory of inference.",
    "Peak and retained bytes of a forward pass of every model, from the allocator's own "
    "events, with recording and "
    "under no_grad and inference_mode.",
)
def saves_memory(lab: Lab, world: World = REAL) -> Evidence:
    """Compare bytes with and without recording."""
    checks, numbers = [], []
    for name in lab.models:
        case = case_of(world.question, name, "eval")
        arms = {}
        for arm in grad_mode.ARMS:
            step = world.question.build(case, arm, build(case, lab.seed))
            held = Observation(step).forward
            arms[arm] = {"peak": held.peak_bytes(), "retained": held.retained_bytes()}
        for metric in ("peak", "retained"):
            before, after = arms["grad"][metric], arms["no_grad"][metric]
            says = f"{name}: {metric} {before:,} B, then {after:,} B"
            checks.append(Check(where=f"{metric} bytes", place=name, says=says, holds=after < before))
            numbers.append(Number(name=f"{name}: {metric}, grad", value=before, unit="B"))
            numbers.append(Number(name=f"{name}: {metric}, no_grad", value=after, unit="B"))
            third = arms["inference_mode"][metric]
            numbers.append(Number(name=f"{name}: {metric}, inference_mode", value=third, unit="B"))
    return Evidence(tuple(checks), tuple(numbers), (_memory_plot(lab.models, numbers),))


def _memory_plot(models: tuple[str, ...], numbers: list[Number]) -> Plot:
    value = {number.name: number.value or 0.0 for number in numbers}
    series = tuple(
        Series(
            name=f"{metric} bytes",
            x=tuple(
                value[f"{model}: {metric}, no_grad"] / max(1.0, value[f"{model}: {metric}, grad"])
                for model in models
            ),
            y=tuple(float(row) for row in range(len(models))),
            mark="bars",
        )
        for metric in ("peak", "retained")
    )
    panel = Panel(
        title="bytes of a forward pass",
        x_label="no_grad / recording the graph",
        y_label="",
        series=series,
        ticks=models,
        line=1.0,
    )
    caption = "Memory of inference under no_grad, as a share of that with recording (dashed line: equal)."
    return Plot(name="N2", caption=caption, panels=(panel,))


@claim(
    "N3",
    "`no_grad` makes inference faster.",
    "A forward pass of every model timed in pairs with and without recording; all models "
    "judged as one family at "
    "99 %, differences within 0.5 % counting as none; the noise floor is the interval of "
    "recording against an "
    "independent copy of itself.",
)
def saves_time(lab: Lab, world: World = REAL) -> Evidence:
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
        says = f"{name}: {judgement_words(judgement)}, noise floor {floor}"
        checks.append(
            Check(where="time of a forward pass", place=name, says=says, holds=is_better(judgement))
        )
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
    caption = (
        "Left of 1 is faster. Bars are 99 % intervals; the noise floor compares "
        "recording with a copy of itself."
    )
    return Plot(name="N3", caption=caption, panels=(panel,))


@claim(
    "N7",
    "What is computed inside `no_grad` is the same.",
    "Outputs of every model with recording, under no_grad and under inference_mode, in train "
    "mode (same random "
    "numbers) and in eval mode, compared bit for bit; and an encoder layer that torch runs "
    "as one fused operator where nothing is recorded.",
)
def computes_the_same(lab: Lab, world: World = REAL) -> Evidence:
    """Compare outputs bit for bit."""
    checks, numbers = [], []

    def look(where: str, place: str, make: Callable[[], Model]) -> None:
        outputs = []
        for context in (torch.enable_grad, world.no_grad, world.inference_mode):
            model = make()
            torch.manual_seed(lab.seed + 1)
            with context():
                outputs.append([tensor.detach().clone() for tensor in tensors_in(model())])
        same = equal(outputs[0], outputs[1]) and equal(outputs[0], outputs[2])
        apart = max(
            float((one.double() - other.double()).abs().max())
            for others in outputs[1:]
            for one, other in zip(outputs[0], others, strict=True)
        )
        says = f"{place}: " + ("equal bit for bit" if same else f"differ, by up to {apart:.1e}")
        checks.append(Check(where=where, place=place, says=says, holds=same))
        numbers.append(Number(name=f"{place}: largest difference", value=apart))

    for name in lab.models:
        for mode in ("eval", "train"):
            look("the same operations run", f"{name}, {mode}", partial(model_of, name, lab, mode))
    look(
        "torch takes a fused path where nothing is recorded",
        "nn.TransformerEncoderLayer, eval",
        partial(_fused, lab),
    )
    return Evidence(tuple(checks), tuple(numbers))


def _fused(lab: Lab) -> Model:
    """Return the encoder layer that torch runs as one operator in eval mode, unless it records."""
    torch.manual_seed(lab.seed)
    layer = nn.TransformerEncoderLayer(64, nhead=4, dim_feedforward=128, batch_first=True)
    return Model(layer.eval(), (torch.randn(4, 16, 64),))
