"""Runs a search, and keeps what is known in a file, so that it can go on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from harness.bisect.candidates import BisectError, Candidate
from harness.bisect.results import TIME_OF, SearchState, StepResult, differing_metric, is_bad
from harness.bisect.search import narrowed, next_index
from harness.record.store import replace_file


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """What a search came to.

    Attributes:
        suspects: candidates of which the first bad one is one; one, where all could be measured.
        metric: that tells.
        before: what the last good candidate took.
        after: what the first bad one took.
        steps: candidates measured between the two ends, this time and before.
        of: how many candidates there were.
    """

    suspects: tuple[Candidate, ...]
    metric: str
    before: StepResult
    after: StepResult
    steps: int
    of: int


@dataclass(frozen=True, slots=True)
class Search:
    """A search over candidates.

    Attributes:
        good: the good end.
        candidates: after it, in order; the last one is the bad end.
        measure: takes one candidate's name.
        path: of the state's file; None where nothing is kept, because a few steps are soon made again.
        question: what tells this search from another.
        metric: that is wanted; "" for the first that differs.
        tell: is told what each step gave.
    """

    good: Candidate
    candidates: Sequence[Candidate]
    measure: Callable[[str], StepResult]
    path: Path | None
    question: str
    metric: str = ""
    tell: Callable[[str], None] = lambda _line: None

    def run(self) -> SearchAnswer:
        """Search until the first bad candidate is known; the file goes when it is.

        Raises:
            BisectError: an end cannot be measured, or nothing differs between them.
        """
        # What failed is tried again: a package may have been missing.
        before = () if self.path is None else _read(self.path, self.question).results.items()
        results = {name: result for name, result in before if not result.failed}
        last = self.candidates[-1]
        good, bad = (self._end(each, word, results) for each, word in ((self.good, "GOOD"), (last, "BAD")))
        metric = differing_metric(good, bad, self.metric)
        if not metric:
            kind = "time" if any(name.startswith(TIME_OF) for name in bad.values) else "exact value"
            what = self.metric or f"no {kind}"
            differs = "is the same" if self.metric else "differs"
            raise BisectError(f"{what} {differs} at GOOD and at BAD, so there is nothing to search for")
        count = len(self.candidates)
        while True:
            known = {
                index: is_bad(results[each.name], good, bad, metric)
                for index, each in enumerate(self.candidates[:-1])
                if each.name in results
            }
            index = next_index(count, known)
            if index is None:
                break
            self._try(self.candidates[index], results, metric)
        narrow = narrowed(count, known)
        if self.path is not None:
            self.path.unlink(missing_ok=True)
        return SearchAnswer(
            suspects=tuple(self.candidates[index] for index in narrow.suspects),
            metric=metric,
            before=good if narrow.low < 0 else results[self.candidates[narrow.low].name],
            after=results[self.candidates[narrow.high].name],
            steps=len(known),
            of=count,
        )

    def _end(self, candidate: Candidate, word: str, results: dict[str, StepResult]) -> StepResult:
        result = results.get(candidate.name) or self._try(candidate, results, self.metric)
        if result.failed:
            raise BisectError(f"{word} ({candidate.name[:12]}) cannot be measured: {result.failed}")
        return result

    def _try(self, candidate: Candidate, results: dict[str, StepResult], metric: str) -> StepResult:
        result = results[candidate.name] = self.measure(candidate.name)
        if self.path is not None:
            replace_file(self.path, msgspec.json.encode(SearchState(question=self.question, results=results)))
        self.tell(f"{candidate.name[:12]} {_outcome(result, metric)}")
        return result


def _outcome(result: StepResult, metric: str) -> str:
    """Say what a step gave, of the metric that is searched for where that is known."""
    if result.failed:
        return f"skipped: {result.failed}"
    if metric and metric not in result.values:  # a duel can decide the times of other arms alone
        return f"skipped: {metric} was not decided"
    values = {metric: result.values[metric]} if metric else result.values
    return ", ".join(f"{name} {value:,}" for name, value in values.items())


def _read(path: Path, question: str) -> SearchState:
    """Return what an interrupted search of the same question knew."""
    try:
        state = msgspec.json.decode(path.read_bytes(), type=SearchState)
    except (OSError, msgspec.DecodeError):
        return SearchState(question=question)
    return state if state.question == question else SearchState(question=question)
