"""The search: pieces first, then runs of what looks best; only what was run counts."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from harness.errors import HarnessError
from harness.fitting.candidates import Prospect, best_of_each_kind, prospects
from harness.fitting.gathering import Gathering
from harness.fitting.levers.micro_batches import MOST_PARTS, parts_of
from harness.fitting.pieces import Pieces, predicted_peak
from harness.fitting.workbench import Workbench
from harness.record.fit import FitCandidate, FitTrial
from harness.workload.freezing_curve import places
from harness.workload.model import WorkloadError

ALLOWANCES = ("freeze", "dtype", "optimizer", "batchnorm")
MOST_FINALISTS = 3  # that fit, of different kinds
_LONG_RUN_S = 10.0  # of a candidate, from which on there is one finalist
MOST_CANDIDATES = 10  # of candidates for one limit
SHARES = (0.9, 0.75, 0.6, 0.5, 0.4, 0.3)  # of the untouched peak, where no limit is given

Say = Callable[[str], None]


def allowances(allow: tuple[str, ...] | str) -> tuple[str, ...]:
    """Return the words of what may be given up, each once.

    Raises:
        HarnessError: there is no such word.
    """
    words = tuple(word.strip() for word in (allow.split(",") if isinstance(allow, str) else allow))
    wrong = [word for word in words if word and word not in ALLOWANCES]
    if wrong:
        raise HarnessError(f"nothing called {wrong[0]!r} can be allowed; there are {', '.join(ALLOWANCES)}")
    return tuple(word for word in dict.fromkeys(words) if word)


@dataclass(slots=True)
class Hunt:
    """What runs candidates on one bench, and remembers.

    Attributes:
        bench: with the model.
        allowed: what of the mathematics may be given up.
        say: is told what is being done.
        trials: what was run, by candidate.
        dropped: levers that were left out, with the reason.
        expected: peaks of the candidates whose pieces were measured.
        longest_s: seconds of the run that took longest.
    """

    bench: Workbench
    allowed: tuple[str, ...] = ()
    say: Say = lambda _line: None
    trials: dict[FitCandidate, FitTrial] = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)
    expected: dict[FitCandidate, int] = field(default_factory=dict)
    longest_s: float = 0.0
    _refuted: list[frozenset[str]] = field(default_factory=list)
    _measured: list[list[Prospect]] = field(default_factory=list)
    _unmeasured: Iterator[list[Prospect]] | None = None

    def run(self, candidate: FitCandidate, predicted: int | None = None) -> FitTrial:
        """Run a candidate once, and remember it; one that cannot be run is out, with its reason."""
        predicted = self.expected.get(candidate) if predicted is None else predicted
        if candidate not in self.trials:
            self.say(f"running {len(self.trials) + 1}: {candidate}")
            began = time.perf_counter()
            try:
                trial = FitTrial(candidate, predicted, self.bench.observe(candidate))
            except WorkloadError as error:
                trial = FitTrial(candidate, predicted, reason=str(error))
            self.longest_s = max(self.longest_s, time.perf_counter() - began)
            self.trials[candidate] = trial
        elif predicted is not None and self.trials[candidate].predicted is None:
            self.trials[candidate] = replace(self.trials[candidate], predicted=predicted)
        return self.trials[candidate]

    def refute(self, candidate: FitCandidate) -> None:
        """Leave out what pulls the same kinds of levers as one that changes more than it says, and others."""
        if kinds := _kinds_of(candidate):  # what pulls none is in everything
            self._refuted.append(kinds)

    def pools(self) -> Iterator[list[Prospect]]:
        """Yield candidates, first those that give up least; measures the pieces of each once, when asked."""
        if self._unmeasured is None:
            self._unmeasured = self._measure_pools()
        yield from list(self._measured)
        for pool in self._unmeasured:
            self._measured.append(pool)
            yield pool

    def _is_refuted(self, candidate: FitCandidate) -> bool:
        return any(kinds <= _kinds_of(candidate) for kinds in self._refuted)

    def _measure_pools(self) -> Iterator[list[Prospect]]:
        batch = self.bench.case.batch_size
        numbers = [1, *parts_of(batch)]
        if batch > 1 and len(numbers) == 1:
            self.dropped["micro-batches"] = f"{batch} examples make no equal parts, up to {MOST_PARTS}"
        freezes = "freeze" in self.allowed and len(self.bench.names.paths) > 1
        for base in self._bases():
            self.say("measuring the pieces")
            gathering = Gathering(self.bench, base, freezes=freezes and not base.trained)
            if base == FitCandidate() or not base.dtype:
                gathering.dropped.update(self.dropped)
            try:
                pieces = gathering.measure(numbers)
            except WorkloadError as error:
                self.dropped[f"{base.dtype or base.optimizer or 'every lever'}"] = str(error)
                continue
            self.dropped.update(gathering.dropped)
            if base == FitCandidate():
                self._remember_predictions(pieces)
            depths = places(pieces.blocks) if gathering.freezes else (0,)
            pool = prospects(pieces, base, depths)
            self.expected.update({one.candidate: one.peak for one in pool})
            yield pool

    def _bases(self) -> list[FitCandidate]:
        bases = [FitCandidate()]
        if self.bench.entry.trainable:
            bases.append(FitCandidate(trained=self.bench.entry.trainable))
        if "optimizer" in self.allowed:
            bases += [
                FitCandidate(optimizer=name)
                for name in ("SGD with momentum", "SGD")
                if name != self.bench.optimizer
            ]
        if "dtype" in self.allowed and self.bench.case.dtype == "float32":
            bases += [FitCandidate(dtype=name) for name in ("autocast", "bfloat16")]
            if "optimizer" in self.allowed and self.bench.optimizer != "SGD":
                bases.append(FitCandidate(dtype="bfloat16", optimizer="SGD"))
        return bases

    def _remember_predictions(self, pieces: Pieces) -> None:
        for candidate, trial in self.trials.items():
            self.trials[candidate] = replace(trial, predicted=predicted_peak(pieces, candidate))

    def within(self, limit: int) -> list[FitTrial]:
        """Return the trials that fit a limit and give up least, the most promising first.

        Where a run shows that the pieces add up to too little, what comes after has to be expected lower.
        """
        everything: list[Prospect] = []
        for whole in self.pools():
            pool = [one for one in whole if not self._is_refuted(one.candidate)]
            everything += pool
            if fitting := self._fitting(pool, limit):
                return fitting
        # Nothing is expected to fit: what is expected to need least may do all the same.
        for one in sorted(everything, key=lambda one: one.peak)[:2]:
            trial = self.run(one.candidate, one.peak)
            if trial.peak is not None and trial.peak <= limit:
                return [trial]
        return []

    def _fitting(self, pool: list[Prospect], limit: int) -> list[FitTrial]:
        fitting: list[FitTrial] = []
        off = 1.0  # measured over expected, where it was more
        failing: set[FitCandidate] = set()
        most = MOST_FINALISTS if self.longest_s < _LONG_RUN_S else 1
        for _ in range(MOST_CANDIDATES):
            rest = [one for one in pool if one.candidate not in failing]
            chosen = best_of_each_kind(rest, limit / off, most)
            waiting = [one for one in chosen if one.candidate not in self.trials]
            fitting = [
                self.trials[one.candidate]
                for one in chosen
                if one.candidate in self.trials and (self.trials[one.candidate].peak or limit + 1) <= limit
            ]
            if not waiting:
                break
            one = waiting[0]
            trial = self.run(one.candidate, one.peak)
            if trial.peak is None or trial.peak > limit:
                failing.add(one.candidate)
            if trial.peak is not None and trial.peak > limit:
                off = max(off, min(1.5, trial.peak / one.peak))
        return fitting

    def frontier(self, untouched: int) -> list[FitTrial]:
        """Return trials at several shares of the untouched peak, and the one that needs least."""
        trials: list[FitTrial] = []
        for pool in self.pools():
            chosen = [one for share in SHARES for one in best_of_each_kind(pool, share * untouched, 1)]
            chosen += sorted(pool, key=lambda one: (one.peak, one.rank))[:1]
            trials += [self.run(one.candidate, one.peak) for one in dict.fromkeys(chosen)]
        return list(dict.fromkeys(trials))

    def freezing_alone(self, limit: int) -> FitTrial | None:
        """Return the trial that freezes as few blocks as fit with no other lever; None where none do."""
        blocks = len(self.bench.names.paths)
        for depth in places(blocks)[1:] if blocks > 1 else ():
            candidate = FitCandidate(frozen=depth)
            expected = self.expected.get(candidate)
            if expected is not None and expected > limit:
                continue
            trial = self.run(candidate, expected)
            if trial.peak is not None and trial.peak <= limit:
                return trial
        return None


def _kinds_of(candidate: FitCandidate) -> frozenset[str]:
    """Return what kinds of levers a candidate pulls, of those that claim to change nothing."""
    pulled = {
        "checkpointing": bool(candidate.checkpointed),
        "micro-batches": candidate.micro_batches > 1,
        f"step {candidate.update}": bool(candidate.update),
    }
    return frozenset(kind for kind, is_pulled in pulled.items() if is_pulled)
