"""What many duels gave, as it is kept. Imports no torch."""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from harness.duel.session import Judged
from harness.errors import HarnessError
from harness.judge.contrasts import unit_medians
from harness.judge.verdict import Verdict
from harness.record.schema import Environment

DUELS_SCHEMA = 1


class DuelTrial(msgspec.Struct, frozen=True, kw_only=True):
    """One case of one duel."""

    case: str
    planted: float  # the share of its work that was planted in head; 0 for equal sides
    cases: int  # of the duel
    values: tuple[float, ...]  # log-ratios, one a restart
    verdict: str
    call_s: float  # of base
    duel_s: float  # of the whole duel, on the wall

    @property
    def is_alarm(self) -> bool:
        """Whether the verdict says that the sides differ."""
        return self.verdict in {Verdict.WORSE.value, Verdict.BETTER.value}

    @property
    def is_found(self) -> bool:
        """Whether the verdict says that head is slower."""
        return self.verdict == Verdict.WORSE.value


class DuelTrials(msgspec.Struct, frozen=True, kw_only=True):
    """All of them, and where and how they were held."""

    schema: int = DUELS_SCHEMA
    environment: Environment
    command: str
    trials: tuple[DuelTrial, ...]


def trials_of(duel: Judged, planted: float) -> Iterable[DuelTrial]:
    """Yield what a duel says of each case."""
    by_arm = {(timed.case, timed.arm): timed for timed in duel.times}
    for arm in duel.duel.arms:
        if arm.samples is None:
            continue
        timed = by_arm[arm.case, arm.arm]
        yield DuelTrial(
            case=arm.case.split("/")[1].rpartition(":")[2],
            planted=planted,
            cases=len(duel.times),
            values=unit_medians(arm.samples),
            verdict=timed.judgement.verdict.value,
            call_s=timed.base,
            duel_s=duel.duel.seconds,
        )


def load_trials(path: Path) -> DuelTrials:
    """Read a file of trials.

    Raises:
        HarnessError: it cannot be read, or holds no trials.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=DuelTrials)
    except OSError as error:
        raise HarnessError(f"{path} cannot be read: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise HarnessError(f"{path} holds no duels: {error}") from error
