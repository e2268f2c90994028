"""Values that a step reads back: how many, and at which lines."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from fake_cuda import FakeCuda
from torch import nn

from harness.measure.exact import exact_numbers
from harness.measure.observe import Observation
from harness.measure.trace import Span
from harness.measure.waits import Waits, placed_waits, readings, waits_on_device
from harness.workload.model import Model
from harness.workload.step import Part, Step

VALUES = torch.tensor([3.0, 1.0, 2.0])
READING = "line that reads"


class Reads(nn.Module):
    """Reads its loss back in its forward pass, as a careless training step does."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)
        self.times = times

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        hidden = self.linear(inputs)
        for _ in range(self.times):
            hidden.sum().item()  # line that reads
        return hidden


def line_of(text: str) -> int:
    """Return the number of the first line of this file that ends so."""
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.endswith(f"# {text}"))


def step_of(call: Callable[[], object], module: nn.Module | None = None) -> Step:
    return Step((Part("forward", call),), Model(module or nn.Linear(1, 1), ()), call)


def seen(call: Callable[[], object]) -> Waits:
    return Observation(step_of(call)).waits


def training(module: nn.Module, optimizer: torch.optim.Optimizer) -> Step:
    inputs = torch.randn(4, 3)
    losses: list[torch.Tensor] = []

    def forward() -> None:
        losses[:] = [module(inputs).square().sum()]

    def backward() -> None:
        losses.pop().backward()

    def update() -> None:
        optimizer.step()
        optimizer.zero_grad()

    parts = (Part("forward", forward), Part("backward", backward), Part("optimizer", update))
    return Step(parts, Model(module, (inputs,)), lambda: module(inputs), optimizer)


@pytest.mark.parametrize(
    ("call", "count"),
    [
        (VALUES[0].item, 1),
        (lambda: float(VALUES.sum()), 1),
        (lambda: 1 if VALUES.sum() > 0 else 0, 1),
        (VALUES.tolist, 1),
        (lambda: VALUES[VALUES > 1], 1),
        (lambda: torch.where(VALUES > 1), 1),
        (lambda: torch.masked_select(VALUES, VALUES > 1), 1),
        (lambda: torch.unique(VALUES), 1),
        (lambda: torch.equal(VALUES, VALUES.clone()), 1),
        (lambda: torch.where(VALUES > 1, VALUES, 0.0), 0),
        (lambda: VALUES.masked_fill(VALUES > 1, 0.0), 0),
        (lambda: VALUES.clone().softmax(0) @ VALUES, 0),
        (lambda: torch.randn(2, 3, 4) @ torch.randn(2, 4, 3), 0),
    ],
)
def test_each_value_that_is_read_back_counts_once(call: Callable[[], object], count: int) -> None:
    assert seen(call).count == count


def test_what_reads_nothing_has_no_place() -> None:
    assert seen(lambda: VALUES * 2) == Waits(0)


def test_the_line_that_reads_is_named_with_how_often() -> None:
    model = Reads(2)
    found = Observation(step_of(lambda: model(torch.ones(1, 3)), model)).waits

    assert found.count == 2
    (place,) = found.places
    assert place.file.endswith("test_waits.py")
    assert (place.line, place.count) == (line_of(READING), 2)


def test_a_reading_inside_torchs_python_is_placed_at_the_line_that_calls_it() -> None:
    def clip() -> object:
        weight = nn.Parameter(torch.ones(3))
        weight.grad = torch.ones(3)
        return nn.utils.clip_grad_norm_([weight], 1.0, error_if_nonfinite=True)  # line that clips

    (place,) = seen(clip).places
    assert place.line == line_of("line that clips")


def test_a_hook_of_the_backward_part_is_placed() -> None:
    model = Reads(0)
    model.linear.weight.register_hook(lambda gradient: gradient.sum().item() and None)  # line of the hook
    found = Observation(training(model, torch.optim.SGD(model.parameters(), 0.1))).waits

    assert found.count == 1
    assert [place.line for place in found.places] == [line_of("line of the hook")]


def test_a_reading_of_torchs_own_backward_counts_and_has_no_line() -> None:
    """The gradient of a maximum is shared out among all that are as large: torch counts those on the host."""
    module = nn.Linear(3, 2)
    losses: list[torch.Tensor] = []

    def forward() -> None:
        losses[:] = [module(torch.ones(4, 3)).max()]

    def backward() -> None:
        losses.pop().backward()  # type: ignore[no-untyped-call]

    step = Step((Part("forward", forward), Part("backward", backward)), Model(module, ()), forward)
    waits = Observation(step).waits

    assert waits.count > 0
    assert waits.places == ()


@pytest.mark.parametrize("kind", [{"foreach": True}, {"foreach": False}, {"fused": True}])
def test_the_count_of_steps_that_an_optimizer_keeps_on_the_host_is_no_wait(kind: dict[str, bool]) -> None:
    if "fused" in kind and torch.__version__.startswith(("2.0.", "2.1.", "2.2.", "2.3.")):
        pytest.skip("torch < 2.4 has no fused update on a CPU; drop with those tox factors")
    model = Reads(1)
    optimizer = torch.optim.AdamW(model.parameters(), **kind)
    found = Observation(training(model, optimizer)).waits

    assert found.count == 1
    assert [place.line for place in found.places] == [line_of(READING)]


class CountsPasses(Reads):
    """Counts how often it ran, in passes of all kinds."""

    passes = 0

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        type(self).passes += 1
        return super().forward(inputs)


def test_a_step_that_reads_as_the_reference_did_is_not_run_again_for_its_lines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(CountsPasses, "passes", 0)
    model = CountsPasses(2)
    reference = Observation(training(model, torch.optim.SGD(model.parameters(), 0.1)))
    before = reference.waits
    assert reference.is_repeatable
    model.linear.bias.requires_grad_(requires_grad=False)
    arm = Observation(
        training(model, torch.optim.SGD([model.linear.weight], 0.1)), reference=reference, is_warm=True
    )
    assert arm.is_repeatable
    passes = CountsPasses.passes

    assert arm.waits == before
    assert [(place.line, place.count) for place in arm.waits.places] == [(line_of(READING), 2)]
    assert CountsPasses.passes == passes


def test_a_step_that_reads_less_than_the_reference_is_looked_at_itself() -> None:
    model = Reads(1)
    model.linear.bias.register_hook(lambda gradient: gradient.sum().item() and None)  # line of bias
    reference = Observation(training(model, torch.optim.SGD(model.parameters(), 0.1)))
    assert {place.line for place in reference.waits.places} == {line_of(READING), line_of("line of bias")}
    assert reference.is_repeatable
    model.linear.bias.requires_grad_(requires_grad=False)
    arm = Observation(
        training(model, torch.optim.SGD([model.linear.weight], 0.1)), reference=reference, is_warm=True
    )

    assert [place.line for place in arm.waits.places] == [line_of(READING)]


def test_parts_after_the_last_that_reads_are_not_run_for_its_lines() -> None:
    model = Reads(1)
    step = training(model, torch.optim.SGD(model.parameters(), 0.1))
    calls: list[str] = []

    def counted(part: Part) -> Part:
        return Part(part.name, lambda: (calls.append(part.name), part.call())[1])

    placed_waits(Step(tuple(map(counted, step.parts)), step.model, step.forward), (1, 0, 0))

    assert calls == ["forward"]


def test_the_number_and_the_places_are_the_same_in_fifteen_repeats() -> None:
    model = Reads(3)
    step = training(model, torch.optim.AdamW(model.parameters()))
    found = {Observation(step).waits for _ in range(15)}

    assert len(found) == 1


def test_the_number_is_an_exact_metric() -> None:
    model = Reads(1)
    assert exact_numbers(Observation(step_of(lambda: model(torch.ones(1, 3)), model))).counts["waits"] == 1


def test_to_python_is_two_operators_in_a_row() -> None:
    conj, neg = Span(0, 1, "aten::resolve_conj"), Span(2, 3, "aten::resolve_neg")

    assert readings([conj, neg]) == [neg]
    assert readings([conj]) == readings([neg, conj]) == []


def test_a_device_tells_of_its_waits_itself() -> None:
    device = FakeCuda()

    def call() -> None:
        device.launch(1e-3)
        device.wait()

    found = waits_on_device(step_of(call), device)

    assert found.count == 1
    assert [place.file for place in found.places] == ["tests/fake_cuda.py"]
