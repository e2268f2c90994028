"""What a duel gave: both sides' exact results as runs, and the seconds of every restart."""

from pathlib import Path
from typing import Literal

import msgspec

from harness.record.bounds import ImplausibleError, quoted
from harness.record.check import check_not_negative, check_run, check_samples, check_share, check_unique
from harness.record.codec import UnreadableError, decoded, read_file
from harness.record.schema import Run, Samples, Unit

DUEL_FORMAT = 1


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
        UnreadableError: it cannot be read, or is not a duel.
    """
    return decode_duel(read_file(path), str(path))


def decode_duel(data: bytes, name: str = "the duel") -> Duel:
    """Decode the file that `harness duel --json` writes.

    Raises:
        UnreadableError: it is not JSON, or not a duel.
    """
    duel = decoded(data, _File, name, "a duel", lambda file: check_duel(file.duel)).duel
    if duel.format != DUEL_FORMAT:
        raise UnreadableError(f"{name} has format {duel.format}; format {DUEL_FORMAT} is read here")
    return duel


def check_duel(duel: Duel) -> None:
    """Check what the readers of a duel count on.

    Raises:
        ImplausibleError: a side's run cannot be used, an arm is there twice, or numbers are ones that no
            duel gives.
    """
    for name, side in (("base", duel.base), ("head", duel.head)):
        try:
            check_run(side.run)
        except ImplausibleError as error:
            raise ImplausibleError(f"{name}: {error}") from error
    check_unique(((arm.case, arm.arm) for arm in duel.arms), "arm", "is there twice")
    check_share(duel.floor, "the floor")
    counted = {"restarts": duel.restarts, "budget": duel.budget, "seconds": duel.seconds}
    check_not_negative({**counted, "restarts that were held": duel.restarts - len(duel.lost)}, "the duel")
    metrics = {metric.name: metric for side in (duel.base, duel.head) for metric in side.run.metrics}
    for arm in duel.arms:
        where = f"case {quoted(arm.case)}, arm {quoted(arm.arm)}"
        # An arm of which no restart came to its times has none.
        if arm.samples is not None and (arm.samples.arm or arm.samples.reference):
            check_samples(arm.samples, metrics, where)
