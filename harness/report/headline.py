"""What a run says, in one or two sentences: what saves most, from how many bytes to how many."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.judge.contrasts import Contrast, contrasts
from harness.record.names import PEAK
from harness.record.schema import ArmResult, Record, Run
from harness.report.answer import answer_of, tally
from harness.report.study import is_curve
from harness.report.text import many, percent
from harness.report.units import quantity


@dataclass(frozen=True, slots=True)
class Saving:
    """The arm of a record that lowers the peak most."""

    record: Record
    arm: str
    before: int  # bytes
    after: int

    @property
    def share(self) -> float:
        """What is saved of the peak."""
        return 1 - self.after / self.before

    @property
    def text(self) -> str:
        """The saving in words."""
        change = f"{quantity(self.before, 'B')} to {quantity(self.after, 'B')}"
        return f"lowers the peak by {percent(self.share)}, {change}"


def run_headline(run: Run) -> str:
    """Return what a run found: of one model what saves most, of many also how many there are."""
    models = {record.case.model for record in run.records}
    best_of = tuple(savings(run))
    if len(models) == 1 and best_of:
        return f"{_of_one(run, best_of)}; {_books(run)}."
    counted = tally(
        contrast.judgement for each in contrasts(run).values() for contrast in each if not contrast.control
    )
    times = f"; times against their reference: {counted}" if counted else ""
    failed = sum(arm.status == "failed" for record in run.records for arm in record.arms)
    wrong = f"; {many(failed, 'arm')} failed" if failed else ""
    size = f"{many(len(run.records), 'case')} of {many(len(models), 'model')}"
    counts = f"{size}, {_books(run)}{times}{wrong}."
    if not best_of:
        return counts
    best = max(best_of, key=lambda saving: saving.share)
    case = best.record.case
    return f"Of all, {best.arm} saves most: for {case.model} ({case.mode}) it {best.text}. {counts}"


def _of_one(run: Run, best_of: Sequence[Saving]) -> str:
    judged = contrasts(run)
    told = [
        f"{saving.arm} {saving.text}{_time_words(judged[saving.record.case.id], saving.arm, run.floor)}"
        for saving in best_of
        if saving.record.case.batch_size == run.records[0].case.batch_size
    ]
    return "; ".join(dict.fromkeys(told))


def savings(run: Run) -> Iterator[Saving]:
    """Yield of each record the arm that lowers the peak most and does as much as the reference."""
    for record in run.records:
        reference = record.arm(record.reference)
        if is_curve(record) or reference is None or reference.status != "ok" or PEAK not in reference.counts:
            continue
        others = [arm for arm in record.arms if _does_as_much(arm, reference)]
        if not others:
            continue
        best = min(others, key=lambda arm: arm.counts[PEAK])
        before, after = reference.counts[PEAK], best.counts[PEAK]
        if before > after:
            yield Saving(record, best.arm, before, after)


def _does_as_much(arm: ArmResult, reference: ArmResult) -> bool:
    # An arm that lacks a metric of the reference does less work: with all frozen nothing is trained.
    return (
        arm.status == "ok"
        and arm.arm != reference.arm
        and PEAK in arm.counts
        and arm.counts.keys() >= reference.counts.keys()
    )


def _books(run: Run) -> str:
    books = [arm.books for record in run.records for arm in record.arms if arm.books is not None]
    still_open = sum(1 for each in books if each.unaccounted)
    if not books:
        return "without books"
    return f"books open in {still_open} arms" if still_open else "all books balance"


def _time_words(judged: Sequence[Contrast], arm: str, floor: float) -> str:
    times = [one for one in judged if one.arm == arm]
    if not times or times[0].judgement.ratio is None:
        return ""
    return f" (time: {answer_of(times[0].judgement, floor)})"
