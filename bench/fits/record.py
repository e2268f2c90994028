"""What the benchmark of plans gave, as JSON."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.records import load_record
from harness.record.fit import FitSearch
from harness.record.schema import Environment


@dataclass(frozen=True, slots=True)
class Said:
    """What one tool says of one model: bytes of a training step's peak, or why it says nothing.

    Attributes:
        tool: with its version.
        model: the target.
        bytes: None where the tool gives none.
        note: how it came about, or why it gives none.
    """

    tool: str
    model: str
    bytes: int | None
    note: str


@dataclass(frozen=True, slots=True)
class Race:
    """A plan's time over that of the fastest combination that fits, both timed in the same rounds.

    Attributes:
        ratio: the median over rounds; 1 where the plan is the fastest.
        low: of the ratio's 99 % interval; None where the rounds are too few for one.
        high: likewise.
        scatter: of a round: the robust standard deviation of the ratio's logarithm.
        rounds: that both were timed in.
    """

    ratio: float
    low: float | None
    high: float | None
    scatter: float
    rounds: int


@dataclass(frozen=True, slots=True)
class Exhausted:
    """The plan for one limit, held against every combination that was run.

    Attributes:
        model: the target.
        limit: bytes.
        plan: in words.
        peak: of the plan, in bytes.
        fits: the plan's peak, measured once more, is what the search measured, and within the limit.
        combinations: how many were run, nothing frozen.
        fitting: how many of them fit.
        fastest: of these, in words; "" where nothing was timed.
        race: against the fastest; None where nothing was timed.
    """

    model: str
    limit: int
    plan: str
    peak: int
    fits: bool
    combinations: int
    fitting: int
    fastest: str = ""
    race: Race | None = None


@dataclass(frozen=True, slots=True)
class Fits:
    """One run of the benchmark.

    Attributes:
        environment: where.
        command: what measured it.
        searches: of the real models.
        said: of the same, by others.
        exhausted: of small models.
        peaks: of the real models' steps as they are, in bytes.
        steps: seconds of a plain step of them: the median of those before the searches and after them.
    """

    environment: Environment
    command: str
    searches: tuple[FitSearch, ...] = ()
    said: tuple[Said, ...] = ()
    exhausted: tuple[Exhausted, ...] = ()
    peaks: dict[str, int] = field(default_factory=dict)
    steps: dict[str, float] = field(default_factory=dict)

    def with_peak(self, model: str, peak: int) -> "Fits":
        """Return the same with a model's untouched peak, in bytes."""
        return replace(self, peaks={**self.peaks, model: peak})

    def with_step(self, model: str, seconds: float) -> "Fits":
        """Return the same with the seconds of a model's plain step."""
        return replace(self, steps={**self.steps, model: seconds})

    def with_said(self, model: str, said: Iterable[Said]) -> "Fits":
        """Return the same with what others say of a model, in place of what they said before."""
        return replace(self, said=(*(one for one in self.said if one.model != model), *said))

    def with_search(self, search: FitSearch) -> "Fits":
        """Return the same with a search, in place of one for the same limit; models stay together."""
        others = [one for one in self.searches if (one.target, one.limit) != (search.target, search.limit)]
        order = list(dict.fromkeys(one.target for one in (*others, search)))
        ordered = sorted((*others, search), key=lambda one: (order.index(one.target), -(one.limit or 0)))
        return replace(self, searches=tuple(ordered))


def load_fits(path: Path) -> Fits:
    """Load the benchmark's record.

    Raises:
        HarnessError: it cannot be read.
    """
    return load_record(path, Fits, "bench.fits")
