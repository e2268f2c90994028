"""The benchmark of readers: its files, and its table."""

from pathlib import Path

import msgspec
import pytest
import runs

from bench.readers.__main__ import readings
from bench.readers.files import write_runs
from bench.readers.record import Reading, Readings, load_readings
from bench.readers.table import readers_markdown
from harness.errors import HarnessError
from harness.report.outcomes import compare_files


def reading(records: int, processor: float, peak: int) -> Reading:
    return Reading("gate", records, 2 * processor, processor, peak, 1)


_READINGS = Readings(
    runs.environment(),
    "python -m bench.readers",
    (reading(25_000, 1.5, 50_000_000), reading(50_000, 4.0, 100_000_000)),
)


def test_a_row_says_what_a_thousand_more_records_take() -> None:
    row = readers_markdown(_READINGS).splitlines()[-1]

    assert [cell.strip() for cell in row.strip("|").split("|")] == [
        "gate",
        "50,000",
        "4 s",
        "100 ms",
        "95.37 MiB",
        "1.907 MiB",
        "1",
    ]


def test_two_files_differ_in_one_record_of_a_thousand(tmp_path: Path) -> None:
    outcome = compare_files(*write_runs(tmp_path, runs.environment(), 2500))

    assert {finding.case for finding in outcome.findings if finding.fails} == {
        f"grad_mode/model-{number:06}/eval/cpu-float32-b8" for number in (0, 1000, 2000)
    }


@pytest.mark.process
def test_every_command_reads_the_files_that_are_made() -> None:
    made = readings("python -m bench.readers", (20,)).readings

    # The first record differs, which fails a comparison and a gate; the last has nothing to say but so.
    assert {one.command: one.status for one in made} == {
        "report": 0,
        "compare": 1,
        "gate --update": 0,
        "gate": 1,
        "trend": 0,
    }
    assert all(one.peak > 0 for one in made)


def test_a_record_is_read_as_it_was_written_and_another_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "readers.json"
    file.write_bytes(msgspec.json.encode(_READINGS))
    assert load_readings(file) == _READINGS

    file.write_text("{}", encoding="utf-8")
    with pytest.raises(HarnessError, match=r"readers\.json is no record of bench\.readers"):
        load_readings(file)
