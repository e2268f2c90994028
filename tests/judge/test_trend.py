"""A history: exact changes to the run, levels of time by a rank test, environments kept apart."""

import random

import pytest
import runs

from harness.judge.trend import trend
from harness.record.schema import Run
from harness.report.trend_text import trend_text


def day(number: int, seconds: float = 1e-3, peak: int = 4096, **where: object) -> Run:
    started = f"2026-{1 + number // 28:02}-{1 + number % 28:02}T00:00:00+00:00"
    timed = runs.timed("grad", [seconds] * 3)
    counted = type(timed)(arm="grad", counts={"peak": peak}, timings=timed.timings)
    return runs.run(
        runs.record(runs.case(), counted),
        id=f"run-{number:03}",
        environment=runs.environment(started=started, **where),
    )


def changes(history: list[Run], metric: str) -> list[int]:
    (series,) = (series for series in trend(history).series if series.metric == metric)
    return [change.run for change in series.changes]


def levels(*stretches: tuple[int, float], noise: float = 0.01, seed: int = 0) -> list[Run]:
    rng = random.Random(seed)
    values = [level * (1 + rng.gauss(0, noise)) for count, level in stretches for _ in range(count)]
    return [day(place, value) for place, value in enumerate(values)]


def test_an_exact_change_is_found_at_its_run_by_a_byte() -> None:
    history = [day(place, peak=4096 + (place >= 3) - (place >= 5)) for place in range(7)]

    assert changes(history, "peak") == [3, 5]


def test_runs_are_put_in_the_order_in_which_they_began() -> None:
    history = [day(place, peak=4096 + (place >= 3)) for place in range(7)]

    assert changes(history[::-1], "peak") == [3]


def test_a_level_of_time_that_rose_by_5_percent_is_found() -> None:
    (found,) = changes(levels((15, 1e-3), (15, 1.05e-3)), "time")

    assert abs(found - 15) <= 2


def test_two_changes_are_found() -> None:
    found = changes(levels((15, 1e-3), (15, 1.2e-3), (15, 0.9e-3)), "time")

    assert found == [15, 30]


def test_a_shift_that_machines_make_by_themselves_is_no_change() -> None:
    assert changes(levels((20, 1e-3), (20, 1.015e-3), noise=0.001), "time") == []


def test_a_single_slow_run_is_no_level() -> None:
    assert changes(levels((12, 1e-3), (1, 2e-3), (12, 1e-3)), "time") == []


def test_noise_alone_gives_a_change_in_at_most_8_of_400_histories() -> None:
    # nominal 1 %, and more than 8 of 400 come by chance in 2 % of seeds
    false_alarms = sum(
        bool(changes(levels((24, 1e-3), noise=0.05, seed=seed), "time")) for seed in range(400)
    )

    assert false_alarms <= 8


def test_times_are_not_compared_across_machines_and_exact_values_are() -> None:
    history = [
        day(place, 1e-3 if place < 15 else 2e-3, 4096 + (place >= 15), processor=f"P{place // 15}")
        for place in range(30)
    ]

    assert changes(history, "time") == []
    assert changes(history, "peak") == [15]
    assert "with it processor P0 -> P1" in trend_text(trend(history))
    assert trend(history).points[15].other_machine


def test_a_new_torch_is_marked_beside_the_change_it_made() -> None:
    history = [
        day(place, peak=4096 - (place >= 3), torch="2.14.0" if place >= 3 else "2.13.0") for place in range(6)
    ]

    text = trend_text(trend(history))
    assert "environment: 2026-01-04T00:00:00+00:00 run-003: torch 2.13.0 -> 2.14.0" in text
    assert "4,096 B -> 4,095 B (-0.0%); with it torch 2.13.0 -> 2.14.0" in text


def test_a_run_without_the_case_leaves_a_gap() -> None:
    history = [day(0), runs.run(runs.record(runs.case("lstm"), runs.arm())), day(2, peak=1)]

    (series,) = (item for item in trend(history).series if item.metric == "peak" and "mlp" in item.case)
    assert series.values[
        1 if history[1].environment.started > history[0].environment.started else 2
    ] is None or (None in series.values)


@pytest.mark.parametrize("count", [1, 2, 9])
def test_few_runs_have_no_level_to_change(count: int) -> None:
    assert changes([day(place, 1e-3 * (1 + place)) for place in range(count)], "time") == []
