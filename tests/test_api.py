"""`compare` on callables whose cost a fake clock knows exactly."""

import math
from random import Random

import pytest
import torch
from fakes import FakeClock, FakeDevice
from torch import nn

from harness.api import Comparison, compare, measure_model
from harness.errors import HarnessError
from harness.judge.verdict import Verdict
from harness.workload.model import Model


def noisy(device: FakeDevice, seconds: float, seed: int) -> "Work":
    return Work(device, seconds, Random(seed))


class Work:
    """Costs so many seconds, give or take 1 %."""

    def __init__(self, device: FakeDevice, seconds: float, rng: Random) -> None:
        self.device, self.seconds, self.rng = device, seconds, rng

    def __call__(self) -> None:
        self.device.clock.advance(self.seconds * self.rng.lognormvariate(0, 0.01))


class MovableWork(Work):
    """Costs up to 1 % more or less wherever it lies, for as long as it lies there."""

    layout = 1.0
    moves = 0

    def __call__(self) -> None:
        self.device.clock.advance(self.seconds * self.layout * self.rng.lognormvariate(0, 0.001))

    def relocate(self, rng: Random) -> None:
        self.moves += 1
        self.layout = rng.lognormvariate(0, 0.01)


def ran(device: FakeDevice, slowdown: float, budget: float = 1.0, alpha: float = 0.01) -> Comparison:
    reference, arm = noisy(device, 1e-4, 1), noisy(device, 1e-4 * (1 + slowdown), 2)
    return compare(reference, arm, budget, seed=3, clock=device.clock, alpha=alpha)


def test_a_slowdown_of_half_a_percent_is_worse_and_a_speedup_is_better() -> None:
    assert ran(FakeDevice(), 0.005).verdict is Verdict.WORSE
    assert ran(FakeDevice(), -0.005).verdict is Verdict.BETTER


def test_no_difference_is_neither_better_nor_worse() -> None:
    found = ran(FakeDevice(), 0.0)
    assert found.verdict in (Verdict.SAME, Verdict.UNDECIDED)
    assert found.ratio == pytest.approx(1.0, abs=0.001)


def test_bare_callables_are_judged_by_rounds_and_the_result_says_that_layout_did_not_vary() -> None:
    found = ran(FakeDevice(), 0.005)
    assert (found.unit, found.layout_varied) == ("round", False)
    assert "layout did not vary" in str(found)


def test_sides_that_can_move_are_moved_and_the_layout_is_the_unit() -> None:
    device = FakeDevice()
    reference, arm = (MovableWork(device, 1e-4, Random(seed)) for seed in (1, 2))
    found = compare(reference, arm, seed=3, clock=device.clock)
    assert found.unit == "draw"
    assert found.units >= 12
    assert reference.moves >= found.units - 1
    assert "layout did not vary" not in str(found)


def test_layout_alone_is_no_difference() -> None:
    alarms = 0
    for seed in range(15):
        device = FakeDevice()
        reference, arm = (MovableWork(device, 1e-3, Random(100 * seed + side)) for side in (1, 2))
        found = compare(reference, arm, 0.2, seed=seed, clock=device.clock)
        alarms += found.verdict in (Verdict.BETTER, Verdict.WORSE)
    assert alarms <= 1  # at 1 % each, two of fifteen have a chance of 1 %


def test_the_same_seed_gives_the_same_answer() -> None:
    assert ran(FakeDevice(), 0.001).ratio == ran(FakeDevice(), 0.001).ratio


def test_the_control_reports_the_bias_it_saw() -> None:
    found = ran(FakeDevice(), 0.05)
    assert found.bias == pytest.approx(0.0, abs=0.005)
    assert not found.control_is_copy


def test_a_budget_that_is_no_time_is_refused() -> None:
    for budget in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(HarnessError, match="give seconds above 0"):
            compare(lambda: None, lambda: None, budget)


def test_what_cannot_be_called_is_refused() -> None:
    with pytest.raises(HarnessError, match="cannot be called; give a function"):
        compare(3, lambda: None)  # type: ignore[arg-type]


def test_a_call_that_returns_at_once_is_invalid_with_the_reason() -> None:
    device = FakeDevice(FakeClock(read_s=5e-8))
    found = compare(device.work("a", 1e-8), device.work("b", 1e-8), clock=device.clock)
    assert found.verdict is Verdict.INVALID
    assert "put more work in one call" in found.reason
    assert found.ratio is None
    assert math.isnan(found.bias)


def test_a_call_that_takes_longer_than_the_budget_is_invalid_and_made_once() -> None:
    device = FakeDevice()
    found = compare(device.work("slow", 30.0), device.work("b", 1e-3), budget=1.0, clock=device.clock)
    assert str(found) == "invalid: a call takes 30 s, longer than the budget of 1 s; raise the budget"
    assert device.ran("slow") == 1


def test_one_cold_call_that_is_longer_than_the_budget_is_no_refusal() -> None:
    device = FakeDevice()
    costs = iter([2.0])
    found = compare(
        lambda: device.clock.advance(next(costs, 1e-3)), device.work("b", 1e-3), clock=device.clock
    )
    assert found.verdict is not Verdict.INVALID


def test_fewer_than_eight_rounds_give_no_verdict() -> None:
    device = FakeDevice()
    found = compare(device.work("a", 0.1), device.work("b", 0.2), budget=1.0, clock=device.clock)
    assert found.verdict is Verdict.UNDECIDED
    assert found.units < 8
    assert found.low is None


def test_what_a_callable_raises_reaches_the_caller() -> None:
    def broken() -> None:
        raise RuntimeError("no such weight")

    with pytest.raises(RuntimeError, match="no such weight"):
        compare(broken, lambda: None)


def test_a_model_is_compared_as_its_forward_pass_with_a_copy_as_control() -> None:
    torch.manual_seed(0)
    first, second = (Model(nn.Linear(64, 64), (torch.randn(8, 64),)) for _ in range(2))
    before = first.module.weight.data_ptr()
    found = compare(first, second, budget=0.05, seed=0)
    assert found.control_is_copy
    assert found.unit == "draw"
    assert first.module.weight.data_ptr() == before  # copies ran, the model is as it was


def test_the_interval_is_named_by_the_alpha_that_was_asked_for() -> None:
    found = ran(FakeDevice(), 0.001, alpha=0.05)

    assert "95 % interval" in str(found)
    assert "99 % interval" in str(ran(FakeDevice(), 0.001))


def test_a_measurement_is_a_line_in_a_notebook_and_threads_and_progress_are_options(
    capsys: pytest.CaptureFixture[str],
) -> None:
    threads = torch.get_num_threads()
    try:
        result = measure_model(
            "linear", questions=("grad_mode",), budget=0, curve=False, threads=1, progress=True
        )
    finally:
        torch.set_num_threads(threads)

    assert repr(result) == "<Measurement of linear: 1 record; print() shows tables, to_html() a page>"
    assert "1 of 3: grad_mode b" in capsys.readouterr().err
    assert result.run.environment.threads == 1
