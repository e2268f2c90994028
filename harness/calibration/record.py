"""What a calibration gave: every trial of every cell."""

import statistics
from pathlib import Path
from typing import Literal

import msgspec

from harness.record.bounds import ImplausibleError, quoted
from harness.record.check import LONGEST_SAMPLE
from harness.record.codec import decoded, read_file
from harness.record.schema import Environment

SidesKind = Literal["object", "copies", "block"]
ARMS = 6  # of a block, beside its reference


class Trial(msgspec.Struct, frozen=True):
    """One comparison of sides whose difference is known; of a block, one family of arms."""

    verdict: str
    ratio: float
    seconds: float  # the timing pass took
    values: tuple[float, ...]  # log-ratios, one a unit
    call_s: float = 0.0  # median seconds of a call of the reference; 0 where that was not kept
    low: float | None = None  # of the interval that was judged, log units; None where that was not kept
    high: float | None = None


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """Trials of one kind of sides, one length of call and one planted slowdown."""

    kind: SidesKind
    asked_s: float  # the length of call that was asked for, seconds
    planted: float  # as a fraction; 0 is A/A
    trials: tuple[Trial, ...]

    @property
    def call_s(self) -> float:
        """Return the median seconds of a call; what was asked for, where no trial kept it."""
        known = [trial.call_s for trial in self.trials if trial.call_s]
        return statistics.median(known) if known else self.asked_s


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """All cells, and where they were measured."""

    schema: int = 1
    environment: Environment
    budget: float  # seconds a comparison, both sides together
    load: int  # bursty processes beside it
    overhead: dict[str, float]  # share of a sample that is not the work, by the call's nominal seconds
    cells: tuple[Condition, ...]
    command: str = ""  # what measured it; "" where it was not written down


def read_calibration(path: Path) -> Calibration:
    """Read the file of a calibration.

    Raises:
        UnreadableError: missing, unreadable, or not a calibration.
    """
    return decoded(read_file(path), Calibration, str(path), "a calibration", _check)


def _check(calibration: Calibration) -> None:
    for cell in calibration.cells:
        where = f"the cell of {quoted(cell.kind)} with calls of {cell.asked_s:g} s"
        if not cell.trials or not all(trial.values for trial in cell.trials):
            raise ImplausibleError(f"{where} has no trial, or one without values")
        if not cell.planted and str(cell.asked_s) not in calibration.overhead:
            raise ImplausibleError(f"{where} has no overhead")
        logs = [value for trial in cell.trials for value in (*trial.values, trial.low or 0.0)]
        if max(map(abs, logs)) > _LARGEST_LOG or max(trial.call_s for trial in cell.trials) > LONGEST_SAMPLE:
            raise ImplausibleError(f"{where} has numbers that no comparison gives")


_LARGEST_LOG = 100.0  # of a ratio; no two sides are further apart
