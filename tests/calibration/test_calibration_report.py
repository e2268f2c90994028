"""The report of a calibration, from literal trials."""

import msgspec
import pytest

from harness.calibration.record import Calibration, Condition, Trial
from harness.calibration.report import (
    calibration_text,
    look_at,
    power_plot,
    resolved,
    total_line,
    unit_scatter,
)
from harness.record.schema import Environment

ENVIRONMENT = Environment(
    harness="0.1.0",
    torch="2.13.0",
    build="cpu",
    python="3.11.7",
    platform="Linux",
    processor="a processor",
    cpu_capability="AVX2",
    threads=1,
    interop_threads=1,
    device="2 cores of a processor",
    commit="abc",
    started="2026-01-01T00:00:00+00:00",
    load=0.0,
)
EVEN = Trial("undecided", 1.0, 1.0, (-0.004, -0.003, -0.002, -0.001, 0.001, 0.002, 0.003, 0.004))
ALARM = Trial("worse", 1.01, 1.0, (0.01,) * 8)


def calibration(*cells: Condition) -> Calibration:
    return Calibration(environment=ENVIRONMENT, budget=1.0, load=0, overhead={"0.0002": 0.0004}, cells=cells)


def test_a_false_alarm_is_counted_with_its_bound() -> None:
    seen = look_at(Condition(kind="copies", asked_s=2e-4, planted=0.0, trials=(*[EVEN] * 99, ALARM)))
    assert seen.alarms == 1
    assert seen.bound == pytest.approx(0.0466, abs=1e-4)  # Clopper-Pearson, 1 of 100, one-sided 95 %


def test_a_comparison_would_have_found_what_lifts_its_whole_interval_above_nothing() -> None:
    seen = look_at(Condition(kind="object", asked_s=2e-4, planted=0.0, trials=(EVEN,)))
    assert seen.thresholds == (pytest.approx(0.004008, abs=1e-6),)


def test_the_scatter_of_a_cell_is_the_median_over_its_comparisons() -> None:
    wide = Trial("undecided", 1.0, 1.0, tuple(10 * value for value in EVEN.values))
    cell = Condition(kind="copies", asked_s=2e-4, planted=0.0, trials=(EVEN, EVEN, wide))

    assert unit_scatter(cell) == pytest.approx(1.4826 * 0.0025)
    assert "0.37%" in calibration_text(calibration(cell))


def test_no_slowdown_within_the_floor_would_have_been_found() -> None:
    seen = look_at(Condition(kind="copies", asked_s=2e-4, planted=0.0, trials=(EVEN,)))
    assert seen.thresholds == (pytest.approx(0.005),)


def test_what_is_resolved_leaves_out_the_worst_twentieth() -> None:
    assert resolved([0.01] * 95 + [0.5] * 5) == 0.01
    assert resolved([0.01] * 94 + [0.5] * 6) == 0.5


def test_no_trial_with_too_few_units_resolves_anything() -> None:
    few = msgspec.structs.replace(EVEN, values=EVEN.values[:7])
    assert look_at(Condition(kind="object", asked_s=2e-4, planted=0.0, trials=(few,))).thresholds == (
        float("inf"),
    )


def test_the_total_counts_a_a_cells_only() -> None:
    aa = Condition(kind="object", asked_s=2e-4, planted=0.0, trials=(EVEN,) * 10)
    planted = Condition(kind="object", asked_s=2e-4, planted=0.01, trials=(ALARM,) * 10)
    assert total_line(calibration(aa, planted)).startswith(
        "0 false alarms in 10 A/A comparisons of 1 s: 0.00%"
    )


def test_the_terminal_shows_what_was_found_of_what_was_planted() -> None:
    aa = Condition(kind="object", asked_s=2e-4, planted=0.0, trials=(EVEN,) * 10)
    planted = Condition(kind="object", asked_s=2e-4, planted=0.01, trials=(ALARM,) * 3 + (EVEN,))
    text = calibration_text(calibration(aa, planted))
    assert "object   200 us    +1.00%     +1.00%  0.00%      4        75.0%" in text
    assert max(map(len, text.splitlines()[2:])) <= 90


def test_the_plot_is_the_same_file_each_time_and_says_its_units() -> None:
    aa = Condition(kind="object", asked_s=2e-4, planted=0.0, trials=(EVEN,) * 10)
    first, second = (power_plot(calibration(aa)) for _ in range(2))
    assert "<svg" in first
    assert first == second
