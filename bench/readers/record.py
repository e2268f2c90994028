"""What the benchmark of readers gave, as JSON."""

from dataclasses import dataclass
from pathlib import Path

from bench.records import load_record
from harness.record.schema import Environment


@dataclass(frozen=True, slots=True)
class Reading:
    """One command on files of one size.

    Attributes:
        command: report, compare, gate or trend.
        records: in all files that it reads.
        seconds: of the whole command, its start included.
        processor: of them, seconds of the processor.
        peak: resident bytes at its highest.
        status: with which it ended.
    """

    command: str
    records: int
    seconds: float
    processor: float
    peak: int
    status: int


@dataclass(frozen=True, slots=True)
class Readings:
    """One run of the benchmark."""

    environment: Environment
    command: str
    readings: tuple[Reading, ...] = ()


def load_readings(path: Path) -> Readings:
    """Load what `python -m bench.readers --json` wrote.

    Raises:
        HarnessError: the file cannot be read, or is none.
    """
    return load_record(path, Readings, "bench.readers")
