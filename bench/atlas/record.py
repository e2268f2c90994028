"""What the atlas holds, as it is kept. Imports no torch."""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec

from harness.errors import HarnessError
from harness.record.schema import Environment

SCHEMA = 2

Mode = Literal["train", "eval"]
State = Literal["balance", "varies", "open", "not held against no_grad", "no numbers"]


class Subject(msgspec.Struct, frozen=True, order=True):
    """One architecture."""

    family: str  # "transformers", "timm" or "torchvision"
    name: str  # a model type, or the name that the library builds it by


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """The books of one forward pass in one mode, in bytes. None stands for what cannot be had."""

    mode: Mode
    peak: int = 0
    retained: int = 0
    retained_no_grad: int | None = None
    saved: int = 0
    scalars: int = 0
    spared: int | None = None  # by no_grad, of what is held when the pass has returned
    unaccounted: int | None = None
    leaked: int = 0  # by each call
    nodes: int = 0
    operators: int = 0
    varies: dict[str, tuple[int, int]] = {}  # lowest and highest, by the ledger's name of the number
    unavailable: dict[str, str] = {}  # why a number cannot be had, by the same names
    notes: tuple[str, ...] = ()  # what the ledger says beside its numbers
    reason: str = ""  # why there are no numbers

    @property
    def state(self) -> State:
        """What can be said of the books."""
        if self.reason:
            return "no numbers"
        if self.unaccounted:
            return "open"
        if self.varies:
            return "varies"
        return "balance" if self.unaccounted == 0 else "not held against no_grad"


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """What one architecture gave."""

    subject: Subject
    built: str = ""  # the class
    size: int = 0  # bytes of parameters
    inputs: dict[str, tuple[int, ...]] = {}  # shapes
    scale: str = ""  # how it was made small, in words
    readings: tuple[Reading, ...] = ()
    curve: tuple[int, ...] = ()  # bytes saved in train mode with the first k blocks frozen, k = 0, 1, ...
    no_curve: str = ""  # why there is none; "" also where none was tried
    processor_s: float | None = None  # seconds of the processor that the chart took
    reason: str = ""  # why there are no readings

    @property
    def is_measured(self) -> bool:
        """Whether there are numbers in at least one mode."""
        return any(not reading.reason for reading in self.readings)

    @property
    def state(self) -> State:
        """What can be said of the books of both modes: the worse of two."""
        return max((reading.state for reading in self.readings), key=_WORSE.index, default="no numbers")


_WORSE: tuple[State, ...] = ("balance", "varies", "not held against no_grad", "open", "no numbers")


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """Where and how the charts of one family were made."""

    environment: Environment
    command: str
    offered: int = 0  # architectures that the library has; 0 where that was not noted


class Atlas(msgspec.Struct, frozen=True, kw_only=True):
    """All charts, and the run of each family that made them."""

    schema: int = SCHEMA
    runs: dict[str, Run]
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
