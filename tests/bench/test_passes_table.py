"""The benchmark of exact passes as a table."""

from pathlib import Path

import msgspec
import pytest
import runs

from bench.passes.record import Passes, Timed, load_passes
from bench.passes.table import passes_markdown, steps_beyond
from harness.errors import HarnessError

_TIMED = Timed(
    model="hf:gpt2",
    batch_size=2,
    step=3.0,
    step_cpu=2.0,
    plain_peak=3_000_000_000,
    first_table=18.0,
    whole=72.0,
    whole_cpu=50.0,
    calls=54.0,
    peak=4_200_000_000,
    arms=28,
    default=105.0,
    default_calls=84.0,
    default_arms=20,
    default_timed=17,
)
_PASSES = Passes(runs.run().environment, "python -m bench.passes", (_TIMED,))


def test_a_row_says_steps_beyond_the_start_up_and_shares() -> None:
    exact, default = (
        [cell.strip() for cell in row.strip("|").split("|")]
        for row in passes_markdown(_PASSES).splitlines()
        if row.startswith("| hf:gpt2")
    )

    assert default == ["hf:gpt2", "105 s", "10.0", "80 %", "20", "17"]
    assert exact == [
        "hf:gpt2",
        "2",
        "3 s",
        "18 s",
        "2.0",
        "72 s",
        "20.0",
        "25.0",
        "75 %",
        "1.40",
        "28",
    ]


def test_what_is_done_within_the_start_up_takes_no_steps() -> None:
    assert steps_beyond(4.0, 1.0) == 0


def test_a_record_is_read_as_it_was_written_and_another_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "passes.json"
    file.write_bytes(msgspec.json.encode(_PASSES))
    assert load_passes(file) == _PASSES

    file.write_text("{}", encoding="utf-8")
    with pytest.raises(HarnessError, match=r"passes\.json is no record of bench\.passes"):
        load_passes(file)
