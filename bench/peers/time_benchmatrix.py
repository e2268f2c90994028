"""benchmatrix: its paired collection of pytest-benchmark runs, baseline and candidate in turns."""

import math
import sys
import tempfile
from pathlib import Path

from bench.peers.record import PROCESSES
from bench.peers.time_pytest_benchmark import ALONE, command, stats_in
from bench.peers.tool import PeerError, StatisticOutcome, TimingPeer, run

_PAIRS = 6  # what it chooses itself for one benchmark: the fewest that fill its order and its evidence policy
_RULE = "regressed or improved: its 95 % bootstrap interval lies outside 5 %"


def _compare(seconds: float, seed: int) -> tuple[StatisticOutcome, ...]:
    from benchmatrix import BenchmatrixError, load_paired_benchmark_run_group

    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "runs"
        each = command("benchmatrix_forward.py", seconds / (2 * _PAIRS))
        collect = [sys.executable, "-m", "benchmatrix", "collect-paired", "--pairs", str(_PAIRS)]
        collect += ["--random-seed", str(seed), "--output", str(output), "--", *each, ":::", *each]
        run(collect, extra=ALONE)
        try:
            cells = load_paired_benchmark_run_group(output).compare().comparisons
        except BenchmatrixError as error:
            raise PeerError(f"it cannot compare what it collected: {error}") from error
        timed = sum(stats_in(path).timed_s for path in output.glob("pair-*.json"))
    if len(cells) != 1 or cells[0].ratio is None:
        raise PeerError(f"it compared {len(cells)} cells instead of one, or has no ratio for it")
    return (
        StatisticOutcome(math.log(cells[0].ratio), cells[0].regression in {"regressed", "improved"}, timed),
    )


PEERS = (
    TimingPeer("benchmatrix", "benchmatrix", PROCESSES, ((f"median of {_PAIRS} means", _RULE),), 5, _compare),
)
