"""What the profiler's trace says of one call: exact bytes, operators, and who was running."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

from harness.measure.recording import followed, trace
from harness.measure.trace import Allocation, Nesting, Span, Trace

# Two stretches: 100 B come and go, 40 B stay; then 30 B more come, and the 40 B go.
EVENTS = Trace(
    marks=(0.0, 10.0, 20.0),
    allocations=(
        Allocation(1.0, 100, 7),
        Allocation(2.0, 40, 8),
        Allocation(3.0, -100, 7),
        Allocation(12.0, 30, 7),
        Allocation(13.0, -40, 8),
    ),
    operators=(Span(0.5, 4.0, "aten::linear"), Span(0.9, 3.5, "aten::addmm"), Span(11.0, 14.0, "aten::mul")),
    modules=(Span(0.4, 5.0, ""), Span(0.45, 4.5, "0")),
)


def test_the_peak_is_the_highest_level_and_not_the_sum() -> None:
    assert list(EVENTS.levels()) == [0, 100, 140, 40, 70, 30]
    assert EVENTS.peak_bytes() == 140


def test_what_is_retained_is_the_last_level() -> None:
    assert EVENTS.retained_bytes() == 30


def test_a_stretch_begins_at_a_level_of_its_own() -> None:
    assert EVENTS.stretch(0).peak_bytes() == 140
    assert EVENTS.stretch(0).retained_bytes() == 40
    assert EVENTS.stretch(1).peak_bytes() == 30
    assert EVENTS.stretch(1).retained_bytes() == -10
    assert [span.name for span in EVENTS.stretch(1).operators] == ["aten::mul"]


def test_nothing_allocated_is_a_peak_of_zero() -> None:
    assert Trace((0.0, 1.0), (Allocation(0.5, -8, 1),), (), ()).peak_bytes() == 0


def test_who_was_running_is_the_innermost_or_the_outermost() -> None:
    operators, modules = Nesting(EVENTS.operators), Nesting(EVENTS.modules)

    assert operators.innermost(1.0) == "aten::addmm"
    assert operators.outermost(1.0) == "aten::linear"
    assert operators.innermost(3.7) == "aten::linear"
    assert modules.innermost(1.0) == "0"
    assert operators.innermost(8.0) == ""
    assert Nesting(()).innermost(1.0) == ""


def test_between_two_marks_those_in_between_are_kept() -> None:
    assert EVENTS.between(0, 2) == EVENTS
    assert EVENTS.between(0, 1).marks == (0.0, 10.0)


def test_an_allocation_is_counted_to_the_byte() -> None:
    seen = trace([lambda: torch.empty(1001, dtype=torch.uint8)])

    assert [event.bytes for event in seen.allocations] == [1001]
    assert seen.peak_bytes() == seen.retained_bytes() == 1001


def test_what_a_call_returns_is_held_to_its_mark_and_what_it_drops_is_not() -> None:
    def call() -> torch.Tensor:
        torch.empty(500, dtype=torch.uint8)
        return torch.empty(20, dtype=torch.uint8)

    seen = trace([call])

    assert [event.bytes for event in seen.allocations] == [500, -500, 20]
    assert (seen.peak_bytes(), seen.retained_bytes()) == (500, 20)


def test_only_the_second_run_counts() -> None:
    ran: list[torch.Tensor] = []

    def call() -> None:
        if not ran:
            ran.append(torch.empty(4096, dtype=torch.uint8))

    assert trace([call]).peak_bytes() == 0


def test_a_free_of_memory_that_was_there_before_is_seen_the_second_time() -> None:
    """Frees of what was allocated before the profiler first ran are not reported: so it runs twice."""
    weight = torch.ones(256, requires_grad=True)
    (weight * 2).sum().backward()  # type: ignore[no-untyped-call]

    def step() -> None:
        weight.grad = None
        (weight * 2).sum().backward()  # type: ignore[no-untyped-call]

    assert trace([step]).retained_bytes() == 0


def test_there_is_a_mark_more_than_stretches() -> None:
    kept: list[torch.Tensor] = []
    seen = trace(
        [lambda: kept.append(torch.empty(64, dtype=torch.uint8)), kept.clear, lambda: torch.empty(9).zero_()]
    )

    assert len(seen.marks) == 4
    assert list(seen.marks) == sorted(seen.marks)
    assert [seen.stretch(index).retained_bytes() for index in range(3)] == [64, -64, 36]
    assert [span.name for span in seen.stretch(2).operators] == ["aten::empty", "aten::zero_"]


def test_operators_are_those_dispatched_and_those_they_call() -> None:
    layer = nn.Linear(2, 3)
    inputs = torch.ones(4, 2)
    seen = trace([lambda: layer(inputs)])

    names = [span.name for span in seen.operators]
    assert names[0] == "aten::linear"
    assert "aten::addmm" in names
    assert all(name.startswith("aten::") for name in names)


def test_modules_are_named_by_their_paths_and_left_as_they_were() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Tanh()))
    inputs = torch.ones(1, 2)
    seen = trace([lambda: model(inputs)], follow=model)

    assert [span.name for span in seen.modules] == ["", "0", "1", "1.0"]
    for module in model.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
    assert trace([lambda: model(inputs)]).modules == ()


def test_the_bytes_of_an_operator_are_found_inside_its_span() -> None:
    model = nn.Sequential(nn.Linear(64, 64), nn.Tanh())
    inputs = torch.ones(8, 64)
    with torch.no_grad():
        seen = trace([lambda: model(inputs)], follow=model)

    assert [(event.bytes, Nesting(seen.modules).innermost(event.time)) for event in seen.allocations] == [
        (2048, "0"),
        (2048, "1"),
        (-2048, ""),
    ]


def test_an_error_of_the_call_comes_through_and_leaves_no_profiler_behind() -> None:
    def fail() -> None:
        raise ValueError("the model's own")

    with pytest.raises(ValueError, match="the model's own"):
        trace([fail])

    assert trace([lambda: torch.empty(16, dtype=torch.uint8)]).peak_bytes() == 16


def test_fifteen_repeats_are_identical() -> None:
    layer = nn.Linear(64, 64)
    inputs = torch.ones(8, 64)

    seen = [trace([lambda: layer(inputs).tanh()]) for _ in range(15)]

    assert len({tuple(event.bytes for event in one.allocations) for one in seen}) == 1
    assert len({tuple(span.name for span in one.operators) for one in seen}) == 1


class Meets(nn.Module):
    """Waits in its forward pass until another one is in it too, and leaves before or after that one."""

    def __init__(self, barrier: threading.Barrier, *, first: bool) -> None:
        super().__init__()
        self.barrier, self.first = barrier, first

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.barrier.wait()
        if not self.first:
            self.barrier.wait()
        return x


def test_a_span_ends_in_the_thread_in_which_it_began(monkeypatch: pytest.MonkeyPatch) -> None:
    began: dict[str, int] = {}
    ended: dict[str, int] = {}
    entered = threading.Event()

    class Span:
        def __init__(self, name: str) -> None:
            self.name = name

        def __enter__(self) -> None:
            began[self.name] = threading.get_ident()
            entered.set()

        def __exit__(self, *_nothing: object) -> None:
            ended[self.name] = threading.get_ident()

    monkeypatch.setattr("harness.measure.recording.record_function", Span)
    barrier = threading.Barrier(2)
    modules = nn.ModuleList([Meets(barrier, first=True), Meets(barrier, first=False)])
    x = torch.ones(1)
    with followed(modules), ThreadPoolExecutor(2) as pool:
        earlier = pool.submit(modules[0], x)
        entered.wait(timeout=30)
        later = pool.submit(modules[1], x)
        earlier.result(timeout=30)
        barrier.wait(timeout=30)
        later.result(timeout=30)

    assert len(began) == 2
    assert began == ended
