"""The device's time beside the host's: what a queue hides, what a cache is worth, and which limits."""

from random import Random

import pytest
from fake_cuda import FakeCuda
from fakes import FakeClock

from harness.judge.interval import log_ratios
from harness.judge.times import median_seconds
from harness.measure.block import Pair
from harness.measure.device_times import DevicePass, PairFacts, device_pass
from harness.measure.sampling import Side
from harness.record.measured import CodeLine


def passed(
    device: FakeCuda,
    reference: dict[str, float],
    arm: dict[str, float],
    *,
    looks: list[float] | None = None,
    budget: float = 0.2,
) -> DevicePass:
    sides = [Side((("call", device.step(**asked)),), relocate=None) for asked in (reference, arm)]  # type: ignore[arg-type]
    pair = Pair(*sides, Random(0))

    def look() -> bool:
        if looks is not None:
            looks.append(device.clock.now)
        return False

    wall = max(arm["host"], arm["device"])
    facts = PairFacts(wall=wall)
    return device_pass(pair, device, Random(1), budget, facts=facts, look=look, clock=device.clock)


def medians(found: DevicePass) -> dict[str, tuple[float, float]]:
    return {
        samples.metric: (median_seconds(samples.reference), median_seconds(samples.arm))
        for samples in found.samples
    }


@pytest.mark.parametrize("can_hold", [False, True])
def test_of_a_device_bound_step_the_device_takes_what_it_works_and_the_host_what_it_issues(
    *, can_hold: bool
) -> None:
    step = {"host": 2e-4, "device": 2e-3, "cold": 2.5e-3}
    found = passed(FakeCuda(can_hold=can_hold), step, step)

    for seconds in medians(found)["device time"]:
        assert seconds == pytest.approx(2e-3)
    for seconds in medians(found)["host time"]:
        assert seconds == pytest.approx(2e-4)
    for seconds in medians(found)["device busy time"]:
        assert seconds == pytest.approx(2e-3)
    assert found.notes == ("the device limits: it works all but the whole time of a call",)


@pytest.mark.parametrize("can_hold", [False, True])
def test_of_a_host_bound_step_the_time_between_events_is_the_devices_and_not_the_hosts(
    *, can_hold: bool
) -> None:
    step = {"host": 3.1e-4, "device": 1.2e-4, "launches": 60}
    found = passed(FakeCuda(can_hold=can_hold), step, step)

    assert medians(found)["device time"][0] == pytest.approx(1.2e-4)
    assert medians(found)["host time"][0] == pytest.approx(3.1e-4)
    assert medians(found)["device busy time"][0] == pytest.approx(1.2e-4)
    assert found.notes == (
        "the host limits: it issues for as long as a call takes, and the device idles (launch-bound)",
    )


def test_a_cold_cache_is_a_metric_of_its_own() -> None:
    step = {"host": 1e-5, "device": 1e-4, "cold": 1.7e-4}
    found = medians(passed(FakeCuda(), step, step))

    assert found["device time"][0] == pytest.approx(1e-4)
    assert found["device time, cold cache"][0] == pytest.approx(1.7e-4)


def test_where_the_queue_can_be_held_no_work_is_put_into_it_to_keep_the_host_ahead() -> None:
    device = FakeCuda(can_hold=True)
    passed(device, {"host": 1e-5, "device": 1e-3}, {"host": 1e-5, "device": 1e-3})

    assert "count" not in device.log
    assert device.held is None


def test_a_clock_that_rises_is_no_part_of_what_a_held_queue_shows() -> None:
    """Work of a known amount is: it is timed while the clock rises, and is too little afterwards."""
    step = {"host": 1e-5, "device": 1e-3}
    found = medians(passed(FakeCuda(can_hold=True, slow_launches=3), step, step))

    assert found["device time"][0] == pytest.approx(1e-3)


@pytest.mark.parametrize("can_hold", [False, True])
def test_a_hold_of_what_the_queue_does_not_hold_expires_and_gives_no_time(*, can_hold: bool) -> None:
    device = FakeCuda(capacity=8, can_hold=can_hold)
    step = {"host": 1e-3, "device": 1e-3, "launches": 64}
    found = medians(passed(device, step, step, budget=1.0))

    assert "device time" not in found
    assert found["device busy time"][0] == pytest.approx(1e-3)
    assert device.held is None


def test_a_round_with_a_throttled_clock_is_taken_again_and_three_times_at_most() -> None:
    def slowed(answers: list[bool]) -> int:
        device = FakeCuda()
        side = Side((("call", device.step(host=1e-5, device=1e-3)),))
        found = device_pass(
            Pair(side, side, Random(0)),
            device,
            Random(1),
            0.02,
            look=lambda: answers.pop() if answers else False,
            clock=device.clock,
        )
        return found.slowed

    assert slowed([True] * 4) == 0  # a reading of each side to warm up, and one round again
    assert slowed([True] * 10**6) > 0


def test_a_planted_percent_is_one_percent_in_each_layout_that_is_judged() -> None:
    device = FakeCuda()
    found = passed(device, {"host": 1e-5, "device": 1e-3}, {"host": 1e-5, "device": 1.01e-3})
    timed = next(samples for samples in found.samples if samples.metric == "device time")

    layouts = log_ratios(timed.reference, timed.arm, timed.unit)
    assert len(layouts) >= 12
    ratios = [value for layout in layouts for value in layout]
    assert ratios == pytest.approx([0.00995] * len(ratios), abs=1e-5)


def test_of_a_step_with_more_launches_than_the_queue_holds_no_time_between_events_is_given() -> None:
    step = {"host": 5e-3, "device": 1e-3, "launches": 400}
    found = passed(FakeCuda(capacity=32), step, step, budget=1.0)

    assert set(medians(found)) == {"device busy time", "host time"}
    assert medians(found)["device busy time"][0] == pytest.approx(1e-3)
    assert found.notes[0].startswith("the host limits")


def test_of_a_step_that_waits_no_events_are_taken_and_the_lines_are_named() -> None:
    device = FakeCuda()

    def call() -> None:
        device.step(host=1e-4, device=1e-4)()
        device.wait()
        device.step(host=1e-4, device=1e-4)()

    side = Side((("call", call),))
    places = (CodeLine(file="mask.py", line=3, count=1),)
    facts = PairFacts(wall=5e-4, waits=1, arm_waits=1, places=places)
    found = device_pass(Pair(side, side, Random(0)), device, Random(1), 0.1, facts=facts, clock=device.clock)

    assert set(medians(found)) == {"device busy time", "host time"}
    assert medians(found)["device busy time"][0] == pytest.approx(2e-4)
    assert found.notes == ("waits limit: the host waits for the device once a call, at mask.py:3",)


def test_of_two_thousand_launches_no_events_are_taken() -> None:
    assert PairFacts(launches=700).allows_events
    assert not PairFacts(launches=2000).allows_events


def test_the_device_is_looked_at_while_it_works() -> None:
    device = FakeCuda()
    looks: list[float] = []
    step = {"host": 1e-5, "device": 1e-3}
    passed(device, step, step, looks=looks)

    assert looks
    assert device.clock.now > looks[-1]


def test_both_sides_are_read_in_every_round_and_neither_is_always_first() -> None:
    device = FakeCuda()
    order: list[str] = []
    sides = [
        Side(((name, lambda name=name: (order.append(name), device.step(1e-5, 1e-3)())),))  # type: ignore[misc]
        for name in ("reference", "arm")
    ]
    device_pass(Pair(*sides, Random(0)), device, Random(1), 0.5, clock=device.clock)

    turns = [name for place, name in enumerate(order) if place == 0 or order[place - 1] != name]
    assert order.count("reference") == order.count("arm")
    assert len(turns) < order.count("arm") * 2  # the same side comes twice in a row, where the coin says so


def test_a_step_that_queues_nothing_has_no_device_time() -> None:
    device = FakeCuda()
    idle = Side((("call", lambda: device.clock.advance(1e-4)),))
    found = device_pass(Pair(idle, idle, Random(0)), device, Random(1), 0.1, clock=device.clock)

    assert [samples.metric for samples in found.samples] == ["host time"]


def test_layouts_move_both_sides() -> None:
    device = FakeCuda()
    moved: list[str] = []
    sides = [
        Side((("call", device.step(1e-5, 1e-3)),), relocate=lambda _rng, name=name: moved.append(name))  # type: ignore[misc]
        for name in ("reference", "arm")
    ]
    found = device_pass(Pair(*sides, Random(0)), device, Random(1), 0.5, clock=device.clock)

    layouts = next(len(samples.arm) for samples in found.samples if samples.metric == "device time")
    assert layouts == 16
    assert moved.count("reference") == moved.count("arm") == layouts - 1


def test_the_fake_host_waits_where_the_queue_is_full_and_the_device_where_it_is_empty() -> None:
    device = FakeCuda(clock=FakeClock(), capacity=2)
    for _ in range(3):
        device.launch(1.0)

    assert device.clock.now == 1.0
    device.synchronize()
    assert device.clock.now == 3.0
