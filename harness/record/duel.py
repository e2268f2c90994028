"""What a duel gave: both sides' exact results as runs, and the seconds of every restart."""

from pathlib import Path
from typing import Literal

import msgspec

from harness.errors import HarnessError
from harness.record.schema import Run, Samples, Unit

DUEL_FORMAT = 1


class UnreadableDuelError(HarnessError, ValueError):
    """A file that is not a duel, and why."""


class DuelSide(msgspec.Struct, frozen=True, kw_only=True):
    """One side, and what it gave.

    The run holds environment and exact metrics; times are the duel's, for they belong to both sides.
    """

    given: str  # as it was asked for
    python: str  # the interpreter's path, from the folder that the duel was held in where it lies there
    revision: str = ""  # the commit; "" for the working tree
    run: Run


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """A part of an exact metric that differs between the sides."""

    metric: str
    unit: Unit
    module: str  # its path; "" for the model itself
    kind: str  # the class of that module
    operator: str
    base: int
    head: int


class DuelArm(msgspec.Struct, frozen=True, kw_only=True):
    """One arm of one case, on both sides.

    A layout of the samples is one restart: `reference` is base, `arm` is head.
    """

    case: str  # its id
    arm: str
    samples: Samples | None = None
    causes: tuple[Cause, ...] = ()  # largest first


class Duel(msgspec.Struct, frozen=True, kw_only=True):
    """Two sides, the cases they ran, and how."""

    format: int = DUEL_FORMAT
    base: DuelSide
    head: DuelSide
    arms: tuple[DuelArm, ...]
    restarts: int  # that were asked for
    lost: tuple[str, ...] = ()  # a line for every restart that was lost
    notes: tuple[str, ...] = ()
    start: Literal["spawn", "fork"] = "spawn"
    core: int | None = None  # that both sides were pinned to
    floor: float
    budget: float  # seconds of timing an arm, both sides together, over all restarts
    seed: int = 0
    seconds: float = 0.0  # that it took
    command: str = ""


class _File(msgspec.Struct):
    duel: Duel


def load_duel(path: Path) -> Duel:
    """Read the file that `harness duel --json` writes.

    Raises:
        UnreadableDuelError: it cannot be read, or is not a duel.
    """
    try:
        return decode_duel(path.read_bytes(), str(path))
    except OSError as error:
        raise UnreadableDuelError(f"{path} cannot be read: {error.strerror}") from error


def decode_duel(data: bytes, name: str = "the duel") -> Duel:
    """Decode the file that `harness duel --json` writes.

    Raises:
        UnreadableDuelError: it is not JSON, or not a duel.
    """
    try:
        duel = msgspec.json.decode(data, type=_File).duel
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableDuelError(f"{name} is not a duel: {error}") from error
    if duel.format != DUEL_FORMAT:
        raise UnreadableDuelError(f"{name} has format {duel.format}; format {DUEL_FORMAT} is read here")
    return duel
