"""pytest-benchmark: two runs, the second compared with the first's file by its own option."""

import math
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import msgspec

from bench.peers.record import PROCESSES
from bench.peers.tool import TARGETS, PeerError, StatisticOutcome, TimingPeer, run

STATISTICS = ("median", "min", "mean")
_PERCENT = 5


class ToolStats(msgspec.Struct, frozen=True):
    """What it computes of a benchmark, in seconds a call, and what it ran."""

    median: float
    min: float
    mean: float
    total: float  # of the rounds' seconds a call
    iterations: int  # calls a round

    @property
    def timed_s(self) -> float:
        """Seconds that were timed."""
        return self.total * self.iterations


class _Benchmark(msgspec.Struct, frozen=True):
    stats: ToolStats


class _File(msgspec.Struct, frozen=True):
    benchmarks: tuple[_Benchmark, ...]


def stats_in(path: Path) -> ToolStats:
    """Read the one benchmark of a file.

    Raises:
        PeerError: there is no file, or it holds another number of benchmarks.
    """
    try:
        benchmarks = msgspec.json.decode(path.read_bytes(), type=_File).benchmarks
    except (OSError, msgspec.DecodeError) as error:
        raise PeerError(f"it left no JSON that can be read: {error}") from error
    if len(benchmarks) != 1:
        raise PeerError(f"its JSON holds {len(benchmarks)} benchmarks instead of one")
    return benchmarks[0].stats


# No plugin but pytest-benchmark is loaded, and no configuration of this repository.
ALONE: Mapping[str, str] = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def command(target: str, seconds: float) -> list[str]:
    """Return the command that runs a target file for so many seconds, and writes no JSON yet."""
    return [
        *(sys.executable, "-m", "pytest", "-q", "-c", str(TARGETS / "pytest.ini")),
        *("-p", "pytest_benchmark.plugin", "-p", "no:cacheprovider"),
        *("--benchmark-only", "--benchmark-quiet", f"--benchmark-max-time={seconds:.6f}"),
        str(TARGETS / target),
    ]


def alarms_in(output: str) -> set[str]:
    """Return the statistics whose check the output says has failed."""
    return {statistic for statistic in STATISTICS if f"Field '{statistic}' has failed" in output}


def _compare(seconds: float, _seed: int) -> tuple[StatisticOutcome, ...]:
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("base.json", "head.json")]
        start = command("pytest_benchmark_forward.py", seconds / 2)
        run([*start, f"--benchmark-json={files[0]}"], extra=ALONE)
        checks = [f"--benchmark-compare-fail={statistic}:{_PERCENT}%" for statistic in STATISTICS]
        second = run(
            [*start, f"--benchmark-json={files[1]}", f"--benchmark-compare={files[0]}", *checks],
            extra=ALONE,
            accept=(0, 1),
        )
        base, head = map(stats_in, files)
    alarms = alarms_in(second.stdout + second.stderr)
    if bool(second.returncode) != bool(alarms):
        raise PeerError(f"it ended with status {second.returncode} and named {len(alarms)} regressions")
    return tuple(
        StatisticOutcome(
            math.log(getattr(head, statistic) / getattr(base, statistic)),
            statistic in alarms,
            base.timed_s + head.timed_s,
        )
        for statistic in STATISTICS
    )


PEERS = (
    TimingPeer(
        "pytest-benchmark",
        "pytest-benchmark",
        PROCESSES,
        tuple(
            (statistic, f"--benchmark-compare-fail={statistic}:{_PERCENT}%, slower only")
            for statistic in STATISTICS
        ),
        12,
        _compare,
    ),
)
