"""What `harness measure` says to do next."""

import msgspec
import runs

from harness.record.measured import Attribution, Share
from harness.record.schema import ArmResult, Run
from harness.report.measurement import next_steps


def _run(*arms: ArmResult) -> Run:
    return runs.run(runs.record(runs.case("nets:make", question="freezing", mode="train"), *arms))


def _whole(*shares: tuple[str, int], **counts: int) -> ArmResult:
    """Return an arm whose step takes 8 MiB, what was there before included."""
    attribution = Attribution(
        peak=2**23,
        above_start=2**20,
        part="backward",
        shares=tuple(Share(category=name, bytes=size, blocks=1) for name, size in shares),
    )
    return msgspec.structs.replace(runs.arm("all trainable", peak=2**20, **counts), attribution=attribution)


def test_what_is_to_fit_is_a_share_of_what_training_takes_in_all() -> None:
    """The peak of an arm is above the start of a step, without parameters and optimizer state."""
    whole = _whole(("parameters", 2**21), ("saved", 6 * 2**20), gradients=2**19)
    run = runs.run(
        runs.record(runs.case("nets:make", mode="train"), runs.arm(peak=2**10)),
        runs.record(
            runs.case("nets:make", question="freezing", mode="train"),
            whole,
            runs.arm("trunk frozen", peak=2**19),
        ),
    )
    first, second, third = next_steps(run, "nets:make")

    assert first.splitlines() == [
        "harness fit nets:make --in 6MiB",
        "    (training takes 8 MiB in all: parameters and optimizer state included)",
    ]
    assert second.splitlines() == [
        "harness measure nets:make --question freezing --time 120",
        "    (trunk frozen saves most: 50 % of the peak)",
    ]
    assert third == "harness measure nets:make --html page.html"


def test_where_what_always_lasts_leaves_little_room_no_limit_is_suggested() -> None:
    whole = _whole(("parameters", 2**21), ("optimizer state", 2**22), ("saved", 2**21), gradients=2**19)

    assert next_steps(_run(whole), "nets:make")[0].splitlines() == [
        "harness fit nets:make",
        "    (training takes 8 MiB in all: parameters and optimizer state included)",
    ]


def test_a_forward_pass_says_nothing_of_what_training_takes() -> None:
    whole = _whole(("parameters", 2**21), ("saved", 6 * 2**20))

    assert next_steps(_run(whole), "nets:make")[0] == "harness fit nets:make"


def test_the_one_question_that_was_put_is_not_suggested_and_a_page_that_is_there_is_named() -> None:
    run = _run(runs.arm("all trainable", peak=2**20), runs.arm("trunk frozen", peak=2**19))

    assert next_steps(run, "nets:make", "page.html") == ("harness fit nets:make", "look at page.html")
