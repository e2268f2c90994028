"""Times one candidate against the good end, in a duel: slower, faster, or the same."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from harness.bisect.results import SAME, TIME_OF, StepResult
from harness.duel.session import hold_duel
from harness.errors import HarnessError
from harness.judge.duel import Timed, judge_times
from harness.judge.verdict import Verdict
from harness.record.duel import Duel
from harness.setting import Setting


@dataclass(slots=True)
class TimedSteps:
    """The times of candidates, each of a duel of the good end against it.

    Attributes:
        good: what a duel takes as its base.
        bad: the bad end, by name.
        side: what a duel takes, of a candidate's name.
        target: what is run.
        setting: of both sides.
    """

    good: str
    bad: str
    side: Callable[[str], str]
    target: str
    setting: Setting
    _known: dict[str, StepResult] = field(default_factory=dict, init=False)

    def measure(self, name: str) -> StepResult:
        """Return the times of a candidate; of the good end, the same for every arm that the bad end has."""
        if name not in self._known:
            self._known[name] = self._good() if name == self.good else self._against_good(name)
        return self._known[name]

    def _good(self) -> StepResult:
        bad = self.measure(self.bad)
        return StepResult(values=dict.fromkeys(bad.values, SAME), failed=bad.failed)

    def _against_good(self, name: str) -> StepResult:
        try:
            duel = hold_duel(
                self.side(self.good), self.side(name), [self.target], _Silent(), setting=self.setting
            )
        except HarnessError as error:
            return StepResult(failed=str(error))
        return result_of(judge_times(duel), _failures(duel))


class _Silent:
    """A duel's watcher that says nothing: the search says what each step gave."""

    def planned(self, restarts: int) -> None:
        """Take no notice."""

    def restarted(self) -> None:
        """Take no notice."""


def _failures(duel: Duel) -> Sequence[str]:
    records = [*duel.head.run.records, *duel.base.run.records]
    return [arm.reason for record in records for arm in record.arms if arm.status == "failed"]


def result_of(times: Iterable[Timed], failures: Sequence[str] = ()) -> StepResult:
    """Return each time that is decided, in millionths of the good end's; `SAME` where it is the same."""
    values = {}
    for timed in times:
        ratio = timed.judgement.ratio
        if timed.judgement.verdict == Verdict.SAME:
            values[f"{TIME_OF} {timed.arm}"] = SAME
        elif timed.judgement.verdict in {Verdict.BETTER, Verdict.WORSE} and ratio is not None:
            values[f"{TIME_OF} {timed.arm}"] = round(SAME * ratio)
    if not values:
        return StepResult(failed=next(iter(failures), "no time was decided; a larger --budget may decide it"))
    return StepResult(values=values)
