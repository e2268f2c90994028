"""Bars of what arms save: which metrics they show, how long they are, and what is said beside them."""

import msgspec
import runs

from harness.record.schema import ArmResult, Record
from harness.report.bars import bars_of, equal_in_all

_METRICS = {metric.name: metric for metric in runs.METRICS}


def _record(*arms: ArmResult) -> Record:
    record = runs.record(runs.case(), *arms)
    return msgspec.structs.replace(record, columns=("peak", "saved", "operators"))


def test_a_bar_is_as_long_as_its_bytes_and_says_what_it_saves() -> None:
    record = _record(
        runs.arm("grad"), runs.arm("no_grad", peak=1024), runs.arm("twice", peak=8192), runs.arm("same")
    )
    (bars,) = bars_of(record, _METRICS)

    assert bars.caption == "peak: highest allocated bytes above the start of the step"
    assert [(bar.name, bar.share, bar.bytes, bar.beside) for bar in bars.rows] == [
        ("grad", 0.5, "4 KiB", ""),
        ("no_grad", 0.125, "1 KiB", "saves 3 KiB, 75 %"),
        ("twice", 1.0, "8 KiB", "4 KiB more, 100 %"),
        ("same", 0.5, "4 KiB", "the same"),
    ]
    assert equal_in_all(record, _METRICS) == "The same in all arms: saved 1 KiB."


def test_a_small_saving_has_no_percent_and_a_reference_of_nothing_has_none() -> None:
    record = _record(runs.arm("grad", peak=1 << 20, saved=0), runs.arm("x", peak=(1 << 20) - 4, saved=4))
    peak, saved = bars_of(record, _METRICS)

    assert peak.rows[1].beside == "saves 4 B"
    assert saved.rows[1].beside == "4 B more"


def test_what_varies_is_a_range_that_is_not_compared() -> None:
    moving = msgspec.structs.replace(runs.arm("moving"), varies={"peak": (1024, 2048)})
    (bars,) = bars_of(_record(runs.arm("grad"), moving), _METRICS)

    assert (bars.rows[1].bytes, bars.rows[1].beside) == ("1 KiB to 2 KiB", "varies from call to call")


def test_failed_arms_have_no_bar_and_arms_that_are_alike_have_none_to_look_at() -> None:
    failed = ArmResult(arm="no_grad", status="failed", reason="x")

    assert bars_of(_record(runs.arm("grad"), failed), _METRICS) == ()
    assert equal_in_all(_record(runs.arm("grad"), failed), _METRICS) == ""
