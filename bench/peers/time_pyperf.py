"""pyperf: two runs of worker processes, compared by its own command."""

import math
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from bench.peers.record import PROCESSES
from bench.peers.tool import TARGETS, StatisticOutcome, TimingPeer, run
from harness.calibration.work import typical_seconds

if TYPE_CHECKING:
    from pyperf import Benchmark

# With a second for both sides a process gets one value of 0.1 s, which is pyperf's own length of a value.
_WORKERS = 5
_RULE = "compare_to finds it significant: two-sample t test at 95 %"


@cache
def _call_s() -> float:
    from bench.peers.work import forward

    return typical_seconds(forward(), times=99)


def _run(seconds: float, output: Path) -> None:
    loops = max(1, round(seconds / _WORKERS / _call_s()))
    run(
        [
            *(sys.executable, str(TARGETS / "pyperf_forward.py"), "--quiet", "--output", str(output)),
            *("--processes", str(_WORKERS), "--values", "1", "--warmups", "1", "--loops", str(loops)),
            "--inherit-environ=PYTHONPATH",
        ]
    )


def _timed_s(benchmark: "Benchmark") -> float:
    return float(sum(sum(one.values) * one.get_total_loops() for one in benchmark.get_runs()))


def says_significant(output: str) -> bool:
    """Whether `pyperf compare_to` prints a ratio instead of hiding the benchmark.

    >>> says_significant("Benchmark hidden because not significant (1): forward")
    False
    """
    return "not significant" not in output.lower()


def _compare(seconds: float, _seed: int) -> tuple[StatisticOutcome, ...]:
    import pyperf

    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("base.json", "head.json")]
        for file in files:
            _run(seconds / 2, file)
        said = run([sys.executable, "-m", "pyperf", "compare_to", *map(str, files)])
        base, head = (pyperf.Benchmark.load(str(file)) for file in files)
    return (
        StatisticOutcome(
            math.log(head.mean() / base.mean()),
            says_significant(said.stdout),
            _timed_s(base) + _timed_s(head),
        ),
    )


PEERS = (TimingPeer("pyperf", "pyperf", PROCESSES, ((f"mean of {_WORKERS} workers", _RULE),), 6, _compare),)
