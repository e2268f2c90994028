"""What the atlas holds, as it is kept. Imports no torch."""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec

from harness.errors import HarnessError
from harness.record.measured import Block
from harness.record.schema import Environment

SCHEMA = 1

Mode = Literal["train", "eval"]


class Subject(msgspec.Struct, frozen=True, order=True):
    """One architecture."""

    family: str  # "transformers", "timm" or "torchvision"
    name: str  # a model type, or the name that the library builds it by


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """The books of one forward pass in one mode, in bytes."""

    mode: Mode
    peak: int = 0
    retained: int = 0
    saved: int = 0
    scalars: int = 0
    unaccounted: int = 0
    nodes: int = 0
    operators: int = 0
    blocks: tuple[Block, ...] = ()  # the largest that the books miss
    notes: tuple[str, ...] = ()  # what the ledger says beside its numbers
    reason: str = ""  # why there are no numbers

    @property
    def spared(self) -> int:
        """What no_grad spares of what is held when the pass has returned: the books' identity."""
        return self.saved + self.scalars + self.unaccounted


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """What one architecture gave."""

    subject: Subject
    built: str = ""  # the class
    size: int = 0  # bytes of parameters
    inputs: dict[str, tuple[int, ...]] = {}  # shapes
    scale: str = ""  # how it was made small, in words
    readings: tuple[Reading, ...] = ()
    reason: str = ""  # why there are no readings

    @property
    def is_measured(self) -> bool:
        """Whether there are numbers in at least one mode."""
        return any(not reading.reason for reading in self.readings)

    @property
    def is_balanced(self) -> bool:
        """Whether every mode has numbers that balance."""
        return self.is_measured and not any(
            reading.reason or reading.unaccounted for reading in self.readings
        )


class Atlas(msgspec.Struct, frozen=True, kw_only=True):
    """All charts, and where and how they were made."""

    schema: int = SCHEMA
    environment: Environment
    command: str
    charts: tuple[Chart, ...]


def merged(charts: Iterable[Chart], more: Iterable[Chart]) -> tuple[Chart, ...]:
    """Return charts in the order of their subjects; of two of the same subject the later one."""
    by_subject = {chart.subject: chart for chart in (*charts, *more)}
    return tuple(by_subject[subject] for subject in sorted(by_subject))


def load_atlas(path: Path) -> Atlas:
    """Read a file of charts.

    Raises:
        HarnessError: it cannot be read, or is none, or is of another format.
    """
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Atlas)
    except OSError as error:
        raise HarnessError(f"{path} cannot be read: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise HarnessError(f"{path} is not what `python -m bench.atlas` keeps: {error}") from error
    if found.schema != SCHEMA:
        raise HarnessError(f"{path} has format {found.schema}; format {SCHEMA} is read here")
    return found
