"""The seam between the comparison and the tools: what a tool is asked for, and how it is started."""

import importlib.metadata
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError

ROOT = Path(__file__).parents[2]
TARGETS = Path(__file__).parent / "targets"
_TIMEOUT_S = 600


class PeerError(HarnessError):
    """A tool that could not be run, and why."""


@dataclass(frozen=True, slots=True)
class StatisticOutcome:
    """What one statistic of a tool says of one comparison."""

    log_ratio: float  # ln(second side / first side)
    alarm: bool
    timed_s: float  # both sides


@dataclass(frozen=True, slots=True)
class TimingPeer:
    """A tool that compares two timings.

    Attributes:
        tool: what the table calls it.
        distribution: its package.
        sides: what it compares: one object with itself, two copies, or two runs of processes.
        rules: its statistics, each with the words for when it says that two sides differ.
        trials: comparisons unless told; fewer where each starts processes that import torch.
        compare: takes seconds of timing for both sides together and a seed; returns an outcome a statistic.
    """

    tool: str
    distribution: str
    sides: str
    rules: tuple[tuple[str, str], ...]
    trials: int
    compare: Callable[[float, int], tuple[StatisticOutcome, ...]]


@dataclass(frozen=True, slots=True)
class MemoryPeer:
    """A tool that reads the peak memory of a call.

    Attributes:
        tool: what the table calls it.
        distribution: its package; for a formula that is not a package of its own, the one it reads with.
        formula: what it states, in words.
        module: where its function `read(model)` is, for the process that runs it.
    """

    tool: str
    distribution: str
    formula: str
    module: str


def version_of(distribution: str) -> str:
    """Return the installed version of a package.

    Raises:
        PeerError: it is not installed.
    """
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError as error:
        raise PeerError(
            f"{distribution} is not installed here; `pip install --group peers` brings it"
        ) from error


def run(
    command: Sequence[str], *, extra: Mapping[str, str] | None = None, accept: Sequence[int] = (0,)
) -> subprocess.CompletedProcess[str]:
    """Run a tool's process, with this repository importable in it.

    Args:
        command: what to run.
        extra: further variables of its environment.
        accept: exit statuses that are no failure.

    Raises:
        PeerError: it failed or did not end; the message has the last line it printed.
    """
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **(extra or {})}
    try:
        done = subprocess.run(  # noqa: S603 (this interpreter, and the tools installed in it)
            list(command),
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise PeerError(f"it did not end within {_TIMEOUT_S} s") from error
    if done.returncode not in accept:
        said = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()
        raise PeerError(f"its process ended with status {done.returncode}: {said[-1]}")
    return done
