"""What one screen shows of a record."""

import msgspec
import runs

from harness.record.measured import Attribution, Share
from harness.record.schema import ArmResult, Run
from harness.report.brief import peak_line, without_alike
from harness.report.measurement import record_text
from harness.report.tables import case_tables


def shown(*arms: ArmResult) -> Run:
    """Return a run of one record, whose table shows three exact metrics."""
    columns = ("peak", "saved", "operators")
    return runs.run(msgspec.structs.replace(runs.record(runs.case(), *arms), columns=columns))


ALIKE = shown(
    runs.arm("one group", peak=10, saved=7, operators=145), runs.arm("timm", peak=10, saved=7, operators=184)
)


def test_columns_in_which_arms_are_alike_are_a_line() -> None:
    (table,) = case_tables(ALIKE)
    brief = without_alike(table)

    assert brief.headers == ("arm", "operators")
    assert brief.rows == (("one group", "145"), ("timm", "184"))
    assert brief.lines == ("alike in all arms: peak 10 B, saved 7 B", *table.lines)


def test_one_column_stays_where_all_are_alike() -> None:
    (table,) = case_tables(shown(runs.arm("one group"), runs.arm("timm")))

    assert without_alike(table).headers == ("arm", "peak")


def test_one_arm_alone_is_alike_to_nothing() -> None:
    (table,) = case_tables(shown(runs.arm("one group")))

    assert without_alike(table) == table


def test_times_stay_and_rows_of_parts_have_no_exact_numbers() -> None:
    seconds = [0.002, 0.0021] * 8
    arms = [runs.timed(name, seconds) for name in ("grad", "no_grad")]
    (table,) = case_tables(shown(*arms))
    brief = without_alike(table)

    assert brief.headers == ("arm", "time", "ratio", "verdict", "peak")
    assert brief.lines[0] == "alike in all arms: saved 1 KiB, operators 10"


def test_a_peak_is_told_with_what_it_is_made_of() -> None:
    shares = (("parameters", 600), ("saved", 250), ("parameters", 145), ("inputs", 5))
    attribution = Attribution(
        peak=1000,
        above_start=300,
        part="backward",
        shares=tuple(Share(category=name, bytes=size, blocks=1) for name, size in shares),
    )
    arm = msgspec.structs.replace(runs.arm("all trainable"), attribution=attribution)

    assert peak_line(arm) == (
        "all trainable takes 1000 B in all, in its backward part: 74 % parameters, 25 % saved"
    )
    assert peak_line(runs.arm()) == ""


def test_all_columns_are_shown_to_who_asks_for_them() -> None:
    brief, whole = (record_text(ALIKE, ALIKE.records[0], verbose=verbose) for verbose in (False, True))

    assert "alike in all arms" in brief
    assert "alike in all arms" not in whole
    assert "saved" in whole.splitlines()[2]
