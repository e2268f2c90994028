"""What `harness measure` says to do next."""

import msgspec
import runs

from harness.record.measured import Attribution
from harness.record.schema import ArmResult, Run
from harness.report.measurement import next_steps


def _run(*arms: ArmResult) -> Run:
    return runs.run(runs.record(runs.case("nets:make", question="freezing", mode="train"), *arms))


def test_what_is_to_fit_is_a_share_of_what_training_takes_in_all() -> None:
    """The peak of an arm is above the start of a step, without parameters and optimizer state."""
    whole = msgspec.structs.replace(
        runs.arm("all trainable", peak=2**20),
        attribution=Attribution(peak=2**23, above_start=2**20, part="backward", shares=()),
    )
    first, second, third = next_steps(
        _run(whole, runs.arm("trunk frozen", peak=2**19)), "nets:make", has_page=False
    )

    assert first.splitlines() == [
        "harness fit nets:make --in 6MiB",
        "    (training takes 8 MiB in all: parameters and optimizer state included)",
    ]
    assert second.splitlines() == [
        "harness measure nets:make --question freezing --time 120",
        "    (trunk frozen saves most: 50 % of the peak)",
    ]
    assert third == "harness measure nets:make --html page.html"


def test_without_a_total_no_limit_is_suggested_and_a_page_that_is_there_is_not_asked_for() -> None:
    run = _run(runs.arm("all trainable", peak=2**20))

    assert next_steps(run, "nets:make", has_page=True) == ("harness fit nets:make",)
