"""What a comparison of tools gave, as it is kept: every pair of runs and every reading. Imports no torch."""

from pathlib import Path

import msgspec

from harness.errors import HarnessError
from harness.record.schema import Environment

HARNESS = "harness"
OBJECT, COPIES, PROCESSES = "one object", "copies", "processes"
PEERS_SCHEMA = 1


class TimingTrial(msgspec.Struct, frozen=True):
    """One comparison of the work with itself."""

    log_ratio: float  # ln(second side / first side), of the tool's own statistic
    alarm: bool  # its own rule says that they differ
    timed_s: float  # the calls of both sides that were timed, by the tool's own account
    all_in_s: float  # on the wall: starting, warming up, timing, judging


class TimingRow(msgspec.Struct, frozen=True, kw_only=True):
    """One tool and one of its statistics."""

    tool: str
    version: str  # the package that was installed, and its version
    sides: str  # "one object", "copies" or "processes"
    statistic: str
    rule: str  # when it says that two sides differ, in words
    trials: tuple[TimingTrial, ...]
    reason: str = ""  # why there are no trials, or no more of them


class MemoryReading(msgspec.Struct, frozen=True):
    """One reading of the peak of one call."""

    bytes: int  # as the tool states it
    before: int | None  # what its formula states just before the call; None where it counts from there
    seconds: float  # the reading took, with everything that it runs


class MemoryRow(msgspec.Struct, frozen=True, kw_only=True):
    """One tool and one size of the work."""

    tool: str
    version: str
    batch_size: int
    exact: int  # bytes of the peak, by hand from the shapes
    formula: str  # what the tool states, in words
    readings: tuple[MemoryReading, ...]
    reason: str = ""


class PeerComparison(msgspec.Struct, frozen=True, kw_only=True):
    """All rows, and where they were measured."""

    schema: int = PEERS_SCHEMA
    environment: Environment
    command: str
    seconds: float  # of timing asked of each tool for a comparison, both sides together
    work: str
    batch_size: int  # of the work that is timed
    timing: tuple[TimingRow, ...]
    memory: tuple[MemoryRow, ...]


class UnreadableComparisonError(HarnessError, ValueError):
    """A file that is not a comparison of tools, and why."""


def load_comparison(path: Path) -> PeerComparison:
    """Read what `python -m bench.peers` kept.

    Raises:
        UnreadableComparisonError: missing, not such a file, or of a newer format.
    """
    try:
        comparison = msgspec.json.decode(path.read_bytes(), type=PeerComparison)
    except OSError as error:
        raise UnreadableComparisonError(f"{path} cannot be read: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise UnreadableComparisonError(
            f"{path} is not what `python -m bench.peers --json` writes: {error}"
        ) from error
    if comparison.schema != PEERS_SCHEMA:
        raise UnreadableComparisonError(
            f"{path} has format {comparison.schema}; format {PEERS_SCHEMA} is read here"
        )
    return comparison
