"""The tables of `python -m bench.fits`, from a record."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from runs import environment

from bench.fits.record import Exhausted, Fits, Race, Said, load_fits
from bench.fits.table import fits_markdown, race_in_words
from harness.errors import HarnessError
from harness.record.fit import FitCandidate, FitSearch, FitTrial

MIB = 1024**2
UNTOUCHED = FitTrial(FitCandidate(), 100 * MIB, 100 * MIB)
PLAN = FitTrial(FitCandidate(checkpointed=(0,)), 74 * MIB, 75 * MIB)


def search(plan: FitTrial | None) -> FitSearch:
    return FitSearch(
        target="net",
        setting="AdamW, float32, cpu, batch 8, train",
        limit=75 * MIB,
        allowed=(),
        untouched=UNTOUCHED,
        plan=plan,
        trials=(UNTOUCHED, PLAN),
        blocks=("a", "b"),
        weights=(),
        proof=None,
        notes=(),
        lines=(),
        passes=20.0,
        took_s=3.0,
        batch_size=8,
    )


@pytest.fixture
def record() -> Fits:
    return Fits(
        environment(),
        "python -m bench.fits",
        (search(PLAN), search(None)),
        (
            Said("accelerate 1.15.0", "net", 80 * MIB, "by formula"),
            Said("ckptplan", "net", None, "refuses CPUs"),
        ),
        (
            Exhausted(
                "mlp-8",
                10 * MIB,
                "checkpoint block 1 of 8",
                9 * MIB,
                fits=True,
                combinations=60,
                fitting=7,
                fastest="AdamW fused",
                race=Race(1.01, 0.99, 1.02, scatter=0.04, rounds=80),
            ),
        ),
    )


def test_what_a_search_takes_beyond_a_minute_is_told_in_plain_steps(record: Fits) -> None:
    slow = replace(record, searches=(replace(search(PLAN), took_s=75.0),)).with_step("net", 2.0)
    quick = record.with_step("net", 2.0)

    assert "| 7.5 steps of 2.00 s |" in fits_markdown(slow)
    assert "| 0.0 steps of 2.00 s |" in fits_markdown(quick)


def test_plans_errors_others_and_combinations_have_a_table_each(record: Fits) -> None:
    text = fits_markdown(record)

    (row,) = [line for line in text.splitlines() if "checkpoint block 1 of 2 (a)" in line]
    assert [cell.strip() for cell in row.split("|")[1:6]] == [
        "net",
        "75 MiB",
        "75%",
        "checkpoint block 1 of 2 (a)",
        "75 MiB",
    ]
    assert "nothing fits" in text
    assert "against 4 measured ones: median error 0.67%, largest 1.33%" in text
    assert "-20.0%" in text
    assert "nothing" in text
    assert "7 of 60" in text
    assert "1.010 (0.990 to 1.020)" in text


@pytest.mark.parametrize(
    ("low", "high", "within"),
    [
        (0.98, 1.02, "yes"),
        (1.04, 1.06, "no"),
        (0.99, 1.05, "cannot be told apart"),
        (1.01, 1.05, "undecided"),
        (1.0, 1.0, "yes: it is the fastest"),
        (None, None, "too few rounds"),
    ],
)
def test_a_plan_is_within_3_percent_where_its_whole_interval_is(
    low: float | None, high: float | None, within: str
) -> None:
    assert race_in_words(Race(1.02, low, high, scatter=0.1, rounds=60))[2] == within


def test_a_record_is_read_as_it_was_written(record: Fits, tmp_path: Path) -> None:
    path = tmp_path / "fits.json"
    path.write_bytes(msgspec.json.encode(record))

    assert load_fits(path) == record


def test_what_is_measured_again_takes_the_place_of_what_was(record: Fits) -> None:
    lower = replace(search(PLAN), limit=50 * MIB)
    other = replace(search(PLAN), target="other")

    again = Fits(record.environment, "").with_search(lower).with_search(other).with_search(search(None))
    again = again.with_search(search(PLAN)).with_said("net", record.said).with_said("net", record.said[:1])

    assert again.searches == (search(PLAN), lower, other)
    assert again.said == record.said[:1]


def test_what_others_say_is_held_against_a_peak_without_any_plan(record: Fits) -> None:
    text = fits_markdown(replace(record, searches=(), exhausted=()).with_peak("net", 160 * MIB))

    assert "-50.0%" in text


def test_what_is_no_record_is_refused(tmp_path: Path) -> None:
    (tmp_path / "no.json").write_text("{}")

    with pytest.raises(HarnessError, match=r"no record of bench\.fits"):
        load_fits(tmp_path / "no.json")
