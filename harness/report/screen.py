"""A run on one screen: the answer to each question, what is not known, and where all numbers are."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log

from harness.judge.contrasts import Contrast, contrasts
from harness.judge.verdict import Verdict
from harness.record.names import PEAK, TIME
from harness.record.schema import ArmResult, Record, Run
from harness.report.answer import answer_of, tally
from harness.report.inert import visible
from harness.report.text import folded, many, percent, text_table
from harness.report.units import two_digits
from harness.setting import QUESTIONS

_LARGEST = 3  # effects of a question that are shown
_LONGEST_NAME = 34  # characters of a case or an arm
_TIMES = 2.0  # a peak that grows by this factor is told as a factor
_TOLD = 2  # failures and warnings that are named
_LONGEST_LINE = 200  # characters
_BETWEEN = 2  # columns between two of a table, and before it
_NO_CHANGE = 0.01  # a peak that changes by less is not told


@dataclass(frozen=True, slots=True)
class _Effect:
    """One arm against its reference."""

    case: str
    arm: str
    time: Contrast | None
    peak: float  # the arm's over the reference's; 1 where there is none

    @property
    def size(self) -> float:
        """How large it is, time or memory, whichever is more."""
        judged = self.time.judgement if self.time else None
        is_shown = judged is not None and judged.verdict in (Verdict.BETTER, Verdict.WORSE)
        shown = abs(log(judged.ratio)) if judged and judged.ratio and is_shown else 0.0
        return max(shown, abs(log(self.peak)))


def screen(run: Run, width: int = 80) -> str:
    """Return a run as one screen: a sentence and the largest effects of each question, then what is open."""
    judged = contrasts(run)
    lines: list[str] = []
    for asks in questions_in_order(run):
        records = [record for record in run.records if record.asks == asks]
        lines += [*_question(asks, records, judged, run.floor, width)]
    lines += [folded(line, width) for line in _closing(run, judged)]
    return "\n".join(lines)


def questions_in_order(run: Run) -> list[str]:
    """Return what is asked: first what people ask most, last what has but one arm."""
    rank = {name: number for number, name in enumerate(QUESTIONS)}
    last = len(rank)
    places: dict[str, int] = {}
    for record in run.records:
        several = any(arm.arm != record.reference for arm in record.arms)
        places.setdefault(record.asks, rank.get(record.case.question, last) if several else last + 1)
    return sorted(places, key=places.__getitem__)


def _question(
    asks: str, records: Sequence[Record], judged: Mapping[str, Sequence[Contrast]], floor: float, width: int
) -> Iterator[str]:
    effects = sorted(
        (effect for record in records for effect in _effects(record, judged[record.case.id])),
        key=lambda effect: -effect.size,
    )
    times = [
        one.judgement
        for record in records
        for one in judged[record.case.id]
        if one.metric == TIME and not one.control
    ]
    counted = f": {tally(times)}" if times else ""
    yield folded(visible(f"{asks.removesuffix('?')}{counted}"), width)
    largest = {effect.case: effect for effect in reversed(effects)}.values()  # one a case
    largest_first = sorted(largest, key=lambda effect: -effect.size)
    rows = _rows([effect for effect in largest_first[:_LARGEST] if effect.size], floor, width - _BETWEEN)
    if rows:
        yield from (f"  {line}"[:width] for line in text_table((), rows, form="plain").splitlines())
    elif not times and not any(record.arms[1:] for record in records):
        yield from (f"  {visible(line)}"[:width] for line in _controls(records, judged, floor))


def _controls(
    records: Sequence[Record], judged: Mapping[str, Sequence[Contrast]], floor: float
) -> Iterator[str]:
    for record in records[:_LARGEST]:
        for one in judged[record.case.id]:
            if one.metric == TIME:
                yield f"{_setting(record)}: {answer_of(one.judgement, floor)}"


def _effects(record: Record, judged: Sequence[Contrast]) -> Iterator[_Effect]:
    times = {one.arm: one for one in judged if one.metric == TIME and not one.control}
    reference = record.arm(record.reference)
    for arm in record.arms:
        if arm.arm != record.reference and arm.status == "ok":
            yield _Effect(_setting(record), arm.arm, times.get(arm.arm), _peak_ratio(arm, reference))


def _peak_ratio(arm: ArmResult, reference: ArmResult | None) -> float:
    before = reference.counts.get(PEAK, 0) if reference else 0
    after = arm.counts.get(PEAK, 0)
    return after / before if before and after else 1.0


def _setting(record: Record) -> str:
    case = record.case
    return " ".join(part for part in (case.model, case.mode, case.variant) if part)


def _rows(effects: Sequence[_Effect], floor: float, width: int) -> list[tuple[str, ...]]:
    """Return a row an effect; of an answer that a line does not hold whole, the first part."""
    rows = [_row(effect, floor) for effect in effects]
    names = sum(max(len(row[column]) for row in rows) + _BETWEEN for column in (0, 1)) if rows else 0
    return [(*row[:2], row[2] if names + len(row[2]) <= width else row[2].split(", ")[0]) for row in rows]


def _row(effect: _Effect, floor: float) -> tuple[str, str, str]:
    told = []
    if effect.time is not None:
        told.append(answer_of(effect.time.judgement, floor, brief=True))
    if effect.peak >= _TIMES:
        told.append(f"{two_digits(effect.peak)} times the peak")
    elif abs(effect.peak - 1) >= _NO_CHANGE:
        told.append(f"peak {percent(effect.peak - 1, '+.0%')}")
    names = (visible(effect.case)[:_LONGEST_NAME], visible(effect.arm)[:_LONGEST_NAME])
    return (*names, ", ".join(told))


def _closing(run: Run, judged: Mapping[str, Sequence[Contrast]]) -> Iterator[str]:
    """Yield what is open and what can be relied on."""
    every = [one for each in judged.values() for one in each]
    asked = [one.judgement for one in every if not one.control]
    if asked:
        yield f"all times: {tally(asked)}, of {many(len(asked), 'contrast')}"
    controls = [one.judgement for one in every if one.control and one.metric == TIME]
    alarms = sum(each.verdict in (Verdict.BETTER, Verdict.WORSE) for each in controls)
    if controls:
        yield (
            f"A/A controls: {alarms} of {len(controls)} see a difference where there is none"
            if alarms
            else f"A/A controls: none of {len(controls)} sees a difference where there is none"
        )
    books = [arm for record in run.records for arm in record.arms if arm.books is not None]
    still_open = [arm for arm in books if arm.books and arm.books.unaccounted]
    if books:
        yield (
            f"books: open in {len(still_open)} of {len(books)} arms"
            if still_open
            else f"books: every byte accounted for in {len(books)} of {len(books)} arms"
        )
    yield from _few(
        "failed",
        [
            f"{record.case.id}, {arm.arm}: {arm.reason}"
            for record in run.records
            for arm in record.arms
            if arm.status == "failed"
        ],
    )
    yield from _few(
        "warning",
        [
            f"{record.case.id}, {arm.arm}: {line}"
            for record in run.records
            for arm in record.arms
            for line in arm.warnings
        ],
    )


def _few(kind: str, told: Sequence[str]) -> Iterator[str]:
    """Yield the first of what was told, and how many more there are."""
    yield from (visible(f"{kind}: {line}")[:_LONGEST_LINE] for line in told[:_TOLD])
    if len(told) > _TOLD:
        yield f"{kind}: {len(told) - _TOLD:,} more, in the page and the record"
