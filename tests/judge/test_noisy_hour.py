"""The interval on samples of a noisy hour: two shared cores, calls that scatter by 10 % a round.

Forty comparisons of one object with itself and forty with 2 % planted, of calls of 3 ms and of 0.85 ms, half
a second each. The order statistics of all rounds, as scipy counts them, are the second witness.
"""

import gzip
import statistics
from pathlib import Path
from typing import Any

import msgspec
import pytest
from scipy.stats import quantile_test

from harness.judge.interval import log_ratios
from harness.judge.verdict import judge

HOUR = Path(__file__).parents[2] / "results" / "records" / "noisy-hour.json.gz"


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    read: list[dict[str, Any]] = msgspec.json.decode(gzip.decompress(HOUR.read_bytes()))["rows"]
    return read


@pytest.mark.parametrize(("cell", "found"), [("3ms", 20), ("0.3ms", 26)])
def test_two_percent_are_found_more_often_than_by_order_statistics_of_all_rounds(
    rows: list[dict[str, Any]], cell: str, found: int
) -> None:
    widths, of_order_statistics = [], []
    slower, by_order_statistics, alarms = 0, 0, 0
    for row in (row for row in rows if row["cell"] == cell):
        layouts = log_ratios(row["reference"], row["arm"], "window")
        judged = judge(layouts, level=0.01)
        assert judged.low is not None
        assert judged.high is not None
        if row["planted"]:
            slower += judged.low > 1
        else:
            alarms += not judged.low <= 1 <= judged.high
        widths.append(judged.high - judged.low)
        rounds = [value for layout in layouts for value in layout]
        interval = quantile_test(rounds, p=0.5).confidence_interval(0.99)
        of_order_statistics.append(interval.high - interval.low)
        by_order_statistics += bool(row["planted"]) and interval.low > 0

    assert slower == found
    assert slower > by_order_statistics
    assert alarms == 0
    assert statistics.median(widths) <= 0.92 * statistics.median(of_order_statistics)
