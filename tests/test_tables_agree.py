"""In every committed table a time over its reference's time is the ratio beside it, to the digits shown."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TABLES = Path(__file__).parents[1] / "results" / "tables"
SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}


def cells(line: str) -> list[str]:
    return [cell.strip().replace("\\", "") for cell in line.strip().strip("|").split("|")]


def seconds(text: str) -> tuple[float, float] | None:
    """Return what a time can be that is shown so: three digits."""
    match = re.fullmatch(r"([\d.]+) (s|ms|us|ns)", text)
    if match is None:
        return None
    number, half = float(match[1]), 0.5 * 10 ** (-len(match[1].partition(".")[2]) if "." in match[1] else 0)
    return (number - half) * SECONDS[match[2]], (number + half) * SECONDS[match[2]]


def contradictions(text: str) -> Iterator[str]:
    """Yield the rows of which the quotient cannot be the ratio that is shown."""
    columns: list[str] = []
    references: dict[str, tuple[float, float]] = {}
    for line in text.splitlines():
        if not line.startswith("|"):
            columns, references = [], {}
            continue
        row = cells(line)
        if not columns:
            columns = row
        if "time" not in columns or "ratio" not in columns or row is columns:
            continue
        shown, ratio = seconds(row[columns.index("time")]), row[columns.index("ratio")]
        part = row[0] if row[0].startswith(". ") else ""
        if shown is None:
            continue
        if ratio == "1":
            references[part] = shown
        elif part in references:
            low, high = references[part]
            least, most = shown[0] / high - 0.0005, shown[1] / low + 0.0005
            if not least <= float(ratio) <= most:
                yield f"{row[0]}: {row[columns.index('time')]}, ratio {ratio}"


@pytest.mark.parametrize("table", sorted(TABLES.glob("cpu/*.md")), ids=lambda path: path.name)
def test_a_time_over_its_reference_s_is_the_ratio_that_is_shown(table: Path) -> None:
    assert list(contradictions(table.read_text(encoding="utf-8"))) == []


def test_a_contradiction_is_seen() -> None:
    rows = "| arm | time | ratio |\n|---|---|---|\n| a | 5.03 ms | 1 |\n| b | 4.59 ms | {} |\n"

    assert list(contradictions(rows.format("0.913"))) == []
    assert list(contradictions(rows.format("0.939"))) == ["b: 4.59 ms, ratio 0.939"]
