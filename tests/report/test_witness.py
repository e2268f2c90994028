"""Samples of resident memory: a line, a table, a plot beside the exact bytes."""

import re

from harness.record.schema import Allocated, ArmResult
from harness.report.plots import witness_plot
from harness.report.witness import WITNESS_HEADERS, thinned_samples, witness_line, witness_rows

MIB = 1024.0**2
SAMPLED = ArmResult(
    arm="grad",
    counts={"peak": 4 * 1024**2},
    timeline=((0.0, 0.0), (0.001, 3 * MIB), (0.002, -MIB)),
)


def test_the_line_holds_what_was_sampled_against_the_exact_peak() -> None:
    assert witness_line(SAMPLED) == (
        "grad, sampled by memory_profiler (a witness, not exact): 3 samples over 2 ms,"
        " highest 3 MiB resident above the start; exact peak 4 MiB"
    )


def test_an_arm_that_was_not_sampled_has_no_line_and_no_rows() -> None:
    assert witness_line(ArmResult(arm="grad", counts={"peak": 1})) == ""
    assert witness_rows(ArmResult(arm="grad")) == ()


def test_the_table_says_which_share_of_the_exact_peak_was_resident() -> None:
    assert WITNESS_HEADERS == ("arm", "after", "resident above the start", "of the exact peak")
    assert witness_rows(SAMPLED) == (
        ("grad", "0 s", "0 B", "0 %"),
        ("grad", "1 ms", "3 MiB", "75 %"),
        ("grad", "2 ms", "-1 MiB", "-25 %"),
    )


def test_an_arm_without_a_peak_has_no_share() -> None:
    assert witness_rows(ArmResult(arm="grad", timeline=((0.5, 1024.0),))) == (
        ("grad", "500 ms", "1 KiB", "-"),
    )


def test_of_many_samples_the_ends_and_the_highest_stay() -> None:
    samples = [(number / 1000, 100.0 if number == 437 else float(number % 7)) for number in range(1000)]
    thin = thinned_samples(samples)

    assert len(thin) == 11
    assert (thin[0], thin[-1]) == (samples[0], samples[-1])
    assert samples[437] in thin
    assert list(thin) == sorted(thin)


def test_the_plot_holds_the_samples_and_the_exact_peak() -> None:
    svg = witness_plot([SAMPLED], "case")

    assert re.findall(r">(grad, [a-z ]+)<", svg) == ["grad, sampled", "grad, exact peak"]
    assert "MiB above the step" in svg


def test_the_plot_holds_the_exact_curve_where_it_was_measured() -> None:
    curve = Allocated(parts=("forward",), marks=(0.0, 0.002), times=(0.001,), levels=(1024,))
    svg = witness_plot([ArmResult(arm="grad", timeline=SAMPLED.timeline, allocated=curve)], "case")

    assert re.findall(r">(grad, [a-z ]+)<", svg) == ["grad, sampled", "grad, exact"]
