"""The tables and what they say, from a literal file."""

from pathlib import Path

import msgspec
import pytest
from anew import printed_anew
from runs import environment

from bench.peers.figures import memory_figures, timing_figures
from bench.peers.findings import memory_findings, timing_findings
from bench.peers.record import (
    MemoryReading,
    MemoryRow,
    PeerComparison,
    TimingRow,
    TimingTrial,
    UnreadableComparisonError,
    load_comparison,
)
from bench.peers.table import peers_markdown, peers_text


def timed(tool: str, sides: str, spread: float, *, all_in: float = 2.0, alarms: int = 0) -> TimingRow:
    """Four comparisons whose log-ratios have that standard deviation."""
    step = spread * 3**0.5 / 2
    return TimingRow(
        tool=tool,
        version=f"{tool} 1.0",
        sides=sides,
        statistic="median",
        rule=f"{tool} says so",
        trials=tuple(
            TimingTrial(sign * step, number < alarms, 0.9, all_in)
            for number, sign in enumerate((1, -1, 1, -1))
        ),
    )


def read(tool: str, *peaks: int, before: int | None = None, seconds: float = 0.5) -> MemoryRow:
    """Readings of a peak that is 1,000 bytes by hand."""
    return MemoryRow(
        tool=tool,
        version=f"{tool} 1.0",
        batch_size=8,
        exact=1000,
        formula=f"what {tool} states",
        readings=tuple(MemoryReading(peak, before, seconds) for peak in peaks),
    )


def compared(timing: tuple[TimingRow, ...] = (), memory: tuple[MemoryRow, ...] = ()) -> PeerComparison:
    """A whole file."""
    return PeerComparison(
        environment=environment(),
        command="python -m bench.peers",
        seconds=1.0,
        work="a model, forward",
        batch_size=8,
        timing=timing,
        memory=memory,
    )


OBJECT = timed("harness", "one object", 0.001, all_in=1.2)
COPIES = timed("harness", "copies", 0.002, all_in=1.3)


def test_a_peer_that_is_twenty_times_as_coarse_is_said_to_be() -> None:
    lines = timing_findings(timing_figures([OBJECT, timed("slow", "processes", 0.02)]))
    assert lines == [
        (
            "On one object the harness resolves 0.422 %;"
            " the other tools 8.44 % (slow, median, processes): 20 times as much."
        )
    ]


def test_the_finest_and_the_coarsest_peer_are_named() -> None:
    rows = [OBJECT, timed("coarse", "processes", 0.05), timed("fine", "processes", 0.004)]
    assert "fine, median, processes) to 21.1 % (coarse" in timing_findings(timing_figures(rows))[0]


def test_one_object_on_both_sides_is_no_rival_for_copies() -> None:
    rows = [COPIES, timed("same", "one object", 0.0001), timed("other", "processes", 0.01)]
    assert timing_findings(timing_figures(rows))[0].startswith(
        "On copies the harness resolves 0.844 %; the other tools 4.22 % (other"
    )


def test_a_peer_that_resolves_less_takes_less_time_or_is_more_often_right_is_said_to() -> None:
    own = timed("harness", "copies", 0.01, all_in=2.0, alarms=1)
    lines = timing_findings(timing_figures([own, timed("peer", "processes", 0.005, all_in=1.0)]))
    assert lines[1:] == [
        (
            "Better than the harness: peer, median (processes) resolves a smaller difference,"
            " 2.11 % against 4.22 % (copies)."
        ),
        "Better than the harness: peer, median (processes) takes less time in all, 1 s against 2 s (copies).",
        (
            "Better than the harness: peer, median (processes) gave false alarms less often,"
            " 0 % against 25 % (copies)."
        ),
    ]


def test_a_peer_is_held_against_the_harness_on_sides_of_its_kind() -> None:
    rows = [OBJECT, COPIES, timed("peer", "one object", 0.0015)]
    assert not [line for line in timing_findings(timing_figures(rows)) if line.startswith("Better")]


def test_a_peer_with_one_comparison_is_judged_on_nothing() -> None:
    row = msgspec.structs.replace(timed("peer", "processes", 0.01), trials=OBJECT.trials[:1])
    assert timing_findings(timing_figures([OBJECT, row])) == []


def test_readings_are_exact_only_where_each_is_right_to_the_byte() -> None:
    rows = [read("harness", 1000, 1000), read("near", 1000, 1001)]
    figures = memory_figures(rows)
    assert [figure.hits for figure in figures] == [2, 1]
    assert memory_findings(figures) == ["Exact in every reading at every size: harness; not so: near."]


def test_a_harness_that_is_wrong_is_not_called_exact() -> None:
    lines = memory_findings(memory_figures([read("harness", 1100), read("peer", 1001)]))
    assert lines == [
        "Exact in every reading at every size: no tool; not so: harness, peer.",
        "Better than the harness: peer at batch 8 is nearer to the exact bytes, +0.1 % against +10 %.",
    ]


def test_a_tool_that_counts_the_whole_process_is_also_judged_by_what_it_adds() -> None:
    (figure,) = memory_figures([read("rss", 51_200, 50_900, before=50_000)])
    assert figure.bytes == 51_050
    assert figure.error == pytest.approx(50.05)
    assert figure.added == 1050
    assert figure.added_error == pytest.approx(0.05)
    assert figure.best_error == figure.added_error


def test_a_peer_that_reads_faster_is_said_to() -> None:
    rows = [read("harness", 1000, seconds=0.02), read("peer", 900, seconds=0.01)]
    assert memory_findings(memory_figures(rows))[1:] == [
        "Better than the harness: peer at batch 8 takes less time a reading, 10 ms against 20 ms."
    ]


def cells(page: str) -> list[list[str]]:
    """The rows of a page's tables, without their rules."""
    rows = [line.strip("|").split("|") for line in page.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in row] for row in rows]


def test_the_page_holds_every_column_of_both_tables() -> None:
    gone = TimingRow(
        tool="gone",
        version="",
        sides="processes",
        statistic="mean",
        rule="never",
        trials=(),
        reason="gone is not installed here",
    )
    peer = timed("peer", "processes", 0.02, alarms=1)
    page = peers_markdown(
        compared((OBJECT, peer, gone), (read("harness", 1000), read("rss", 1500, before=700)))
    )
    head, harness, other, missing, more, exact, rss = cells(page)
    assert head[:7] == ["tool", "sides", "pairs", "timed", "all in", "A/A sd", "resolved"]
    assert head[7:] == ["95 % interval", "x one object", "x copies", "alarms", "at most"]
    assert harness[:7] == ["harness", "one object", "4", "900 ms", "1.2 s", "0.1 %", "0.422 %"]
    assert harness[7:] == ["0.239 % to 1.57 %", "1", "-", "0", "52.7 %"]
    assert other[:7] == ["peer, median", "processes", "4", "900 ms", "2 s", "2 %", "8.44 %"]
    assert other[7:] == ["4.78 % to 31.5 %", "20", "-", "1", "75.1 %"]
    assert missing == ["gone, mean", "processes", "0", *"---------"]
    assert more[:4] == ["tool", "batch", "by hand", "states"]
    assert more[4:] == ["error", "less before", "error of that", "exact", "a reading"]
    assert exact == ["harness", "8", "1,000 B", "1,000 B", "0 %", "1,000 B", "0 %", "1 of 1", "500 ms"]
    assert rss == ["rss", "8", "1,000 B", "1,500 B", "+50 %", "800 B", "-20 %", "0 of 1", "500 ms"]
    assert "- gone: gone is not installed here" in page
    assert "- peer (peer 1.0), median: peer says so" in page
    assert "- rss (rss 1.0): what rss states" in page
    assert "Measured by `python -m bench.peers`." in page


def test_the_terminal_text_fits_80_columns() -> None:
    name = "optimum-benchmark's formula"
    rows = (OBJECT, COPIES, timed("torch.utils.benchmark", "one object", 0.02))
    text = peers_text(compared(rows, (read("harness", 1000), read(name, 10_000_000_000, before=9_000))))
    assert max(map(len, text.splitlines())) <= 80


def test_a_kept_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    found = compared((OBJECT,), (read("harness", 1000),))
    (tmp_path / "peers.json").write_bytes(msgspec.json.encode(found))
    assert load_comparison(tmp_path / "peers.json") == found


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "cannot be read"),
        ("[]", "is not what"),
        ("{", "is not what"),
    ],
)
def test_another_file_is_refused_in_one_line(tmp_path: Path, text: str | None, says: str) -> None:
    path = tmp_path / "other.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(UnreadableComparisonError, match=says):
        load_comparison(path)


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    newer = msgspec.structs.replace(compared(), schema=2)
    (tmp_path / "peers.json").write_bytes(msgspec.json.encode(newer))
    with pytest.raises(UnreadableComparisonError, match="format 2; format 1 is read here"):
        load_comparison(tmp_path / "peers.json")


@pytest.mark.process
def test_the_tables_are_made_without_torch() -> None:
    code = "import sys, bench.peers.table, bench.peers.__main__; print('torch' in sys.modules)"

    assert printed_anew(code) == "False"
