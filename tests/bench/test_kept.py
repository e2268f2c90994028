"""What is kept of a run as a record: what tables show, and no event that a host was behind of."""

from pathlib import Path

import msgspec
import pytest
import runs

from bench.kept import kept_run
from harness.record.schema import Allocated, ArmResult, Run, Samples
from harness.record.store import load_run

RECORDS = Path(__file__).parents[2] / "results" / "records"
BEHIND = (
    "the device limits: it works 6.88 ms on what the host issues in 6.68 ms (device-bound); the host did not"
    " stay ahead, so that the device's time may hold pauses"
)


def samples(metric: str, seconds: float) -> Samples:
    return Samples(metric=metric, calls=1, reference=((seconds,),), arm=((seconds,),))


def kept(arm: ArmResult) -> ArmResult:
    run: Run = kept_run(runs.run(runs.record(runs.case(), arm)))
    return run.records[0].arms[0]


def arm(*notes: str) -> ArmResult:
    return msgspec.structs.replace(
        runs.arm("grad"),
        timings=(samples("time", 7.1e-3), samples("device time", 6.88e-3), samples("host time", 6.68e-3)),
        notes=notes,
        allocated=Allocated(parts=(), marks=(), times=(), levels=()),
    )


def test_of_a_host_that_was_behind_no_time_between_events_is_kept_and_no_limit_follows_from_it() -> None:
    result = kept(arm(BEHIND, "the clock was throttled"))

    assert [each.metric for each in result.timings] == ["time", "host time"]
    assert result.notes == (
        "what limits is not known: how long the device works could not be measured",
        "the clock was throttled",
    )


def test_of_a_host_that_was_ahead_it_is_kept_and_judged_anew() -> None:
    result = kept(arm("host and device take about as long: 6.68 ms to issue, 6.88 ms to do"))

    assert [each.metric for each in result.timings] == ["time", "device time", "host time"]
    assert result.notes == ("the device limits: it works all but the whole time of a call",)


def test_exact_values_stay_whole_and_timelines_go() -> None:
    result = kept(arm())

    assert result.counts == runs.arm("grad").counts
    assert result.allocated is None


def test_where_a_run_was_written_is_not_kept() -> None:
    run = msgspec.structs.replace(runs.run(), command="harness measure gpt2 --budget 0 --json /a/b.json")

    assert kept_run(run).command == "harness measure gpt2 --budget 0"


@pytest.mark.parametrize("name", ["h200", "h200-models"])
def test_no_step_of_the_h200_is_called_device_bound(name: str) -> None:
    run = load_run(RECORDS / f"{name}.json")
    notes = [note for record in run.records for arm in record.arms for note in arm.notes]

    assert not any(note.startswith("the device limits") or "device-bound" in note for note in notes)


@pytest.mark.parametrize("name", ["h200", "h200-models"])
def test_all_books_of_the_h200_balance(name: str) -> None:
    run = load_run(RECORDS / f"{name}.json")
    books = [arm.books for record in run.records for arm in record.arms if arm.books is not None]

    assert books
    assert {each.unaccounted for each in books} == {0}
