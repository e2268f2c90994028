"""The search: pieces first, then runs of what looks best; only what was run counts."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from harness.fitting.candidates import Prospect, best_of_each_kind, prospects
from harness.fitting.gathering import Gathering
from harness.fitting.pieces import Pieces
from harness.fitting.workbench import Workbench
from harness.record.fit import Candidate, Trial
from harness.workload.freezing_curve import places
from harness.workload.model import WorkloadError

ALLOWANCES = ("freeze", "dtype", "optimizer", "batchnorm")
MOST_FINALISTS = 3  # that fit, of different kinds
MOST_RUNS = 10  # of candidates for one limit
SHARES = (0.9, 0.75, 0.6, 0.5, 0.4, 0.3)  # of the untouched peak, where no limit is given
_PARTS = (2, 4, 8, 16)

Say = Callable[[str], None]


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
    """

    bench: Workbench
    allowed: tuple[str, ...] = ()
    say: Say = lambda _line: None
    trials: dict[Candidate, Trial] = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)
    expected: dict[Candidate, int] = field(default_factory=dict)

    def run(self, candidate: Candidate, predicted: int | None = None) -> Trial:
        """Run a candidate once, and remember it; one that cannot be run is out, with its reason."""
        if candidate not in self.trials:
            self.say(f"running {len(self.trials) + 1}: {candidate}")
            try:
                trial = Trial(candidate, predicted, self.bench.observe(candidate))
            except WorkloadError as error:
                trial = Trial(candidate, predicted, reason=str(error))
            self.trials[candidate] = trial
        elif predicted is not None and self.trials[candidate].predicted is None:
            self.trials[candidate] = replace(self.trials[candidate], predicted=predicted)
        return self.trials[candidate]

    def pools(self) -> Iterable[list[Prospect]]:
        """Yield candidates, first those that give up least; measures the pieces of each when asked for it."""
        batch = self.bench.case.batch_size
        numbers = [1, *(number for number in _PARTS if batch % number == 0)]
        freezes = "freeze" in self.allowed and len(self.bench.names.paths) > 1
        for base in self._bases():
            self.say("measuring the pieces")
            gathering = Gathering(self.bench, base, freezes=freezes)
            if base == Candidate() or not base.dtype:
                gathering.dropped.update(self.dropped)
            try:
                pieces = gathering.measure(numbers)
            except WorkloadError as error:
                self.dropped[f"{base.dtype or base.optimizer or 'every lever'}"] = str(error)
                continue
            self.dropped.update(gathering.dropped)
            if base == Candidate():
                self._remember_predictions(pieces)
            depths = places(pieces.blocks) if freezes else (0,)
            pool = prospects(pieces, base, depths)
            self.expected.update({one.candidate: one.peak for one in pool})
            yield pool

    def _bases(self) -> list[Candidate]:
        found = [Candidate()]
        if "optimizer" in self.allowed:
            found += [
                Candidate(optimizer=name)
                for name in ("SGD with momentum", "SGD")
                if name != self.bench.optimizer
            ]
        if "dtype" in self.allowed and self.bench.case.dtype == "float32":
            found += [Candidate(dtype=name) for name in ("autocast", "bfloat16")]
            if "optimizer" in self.allowed and self.bench.optimizer != "SGD":
                found.append(Candidate(dtype="bfloat16", optimizer="SGD"))
        return found

    def _remember_predictions(self, pieces: Pieces) -> None:
        from harness.fitting.pieces import predicted_peak

        for candidate, trial in self.trials.items():
            self.trials[candidate] = replace(trial, predicted=predicted_peak(pieces, candidate))

    def within(self, limit: int) -> list[Trial]:
        """Return the trials that fit a limit and give up least, the most promising first.

        Where a run shows that the pieces add up to too little, what comes after has to be expected lower.
        """
        everything: list[Prospect] = []
        for pool in self.pools():
            everything += pool
            if fitting := self._fitting(pool, limit):
                return fitting
        # Nothing is expected to fit: what is expected to need least may do all the same.
        for one in sorted(everything, key=lambda one: one.peak)[:2]:
            trial = self.run(one.candidate, one.peak)
            if trial.peak is not None and trial.peak <= limit:
                return [trial]
        return []

    def _fitting(self, pool: list[Prospect], limit: int) -> list[Trial]:
        fitting: list[Trial] = []
        off = 1.0  # measured over expected, where it was more
        failing: set[Candidate] = set()
        for _ in range(MOST_RUNS):
            left = [one for one in pool if one.candidate not in failing]
            chosen = best_of_each_kind(left, limit / off, MOST_FINALISTS)
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

    def frontier(self, untouched: int) -> list[Trial]:
        """Return trials at several shares of the untouched peak, and the one that needs least."""
        found: list[Trial] = []
        for pool in self.pools():
            chosen = [one for share in SHARES for one in best_of_each_kind(pool, share * untouched, 1)]
            chosen += sorted(pool, key=lambda one: (one.peak, one.rank))[:1]
            found += [self.run(one.candidate, one.peak) for one in dict.fromkeys(chosen)]
        return list(dict.fromkeys(found))

    def freezing_alone(self, limit: int) -> Trial | None:
        """Return the trial that freezes as few blocks as fit with no other lever; None where none do."""
        blocks = len(self.bench.names.paths)
        for depth in places(blocks)[1:] if blocks > 1 else ():
            candidate = Candidate(frozen=depth)
            expected = self.expected.get(candidate)
            if expected is not None and expected > limit:
                continue
            trial = self.run(candidate, expected)
            if trial.peak is not None and trial.peak <= limit:
                return trial
        return None
