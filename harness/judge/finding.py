"""What a comparison or a gate found: one finding a row that is not simply equal, and the outcome of them all.

It knows no metric: units and meanings travel with the data. It words nothing.
"""

import enum
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from harness.judge.callers import CallersChange
from harness.record.schema import Case, Unit


class FindingState(enum.StrEnum):
    """What a row is; declared in the order in which rows are shown."""

    NOTHING = "nothing compared"
    INTERRUPTED = "interrupted"
    NO_BASELINE = "no baseline"
    FAILED = "failed"
    WORSE = "worse"
    OVER = "over budget"
    UNBALANCED = "books open"
    GONE = "gone"
    NEW = "new"
    BETTER = "better"
    CHANGED = "changed"  # a value that has no better side
    INCOMPARABLE = "incomparable"
    ALLOWED = "allowed"  # inside an allowance
    UNDECIDED = "undecided"
    SKIPPED = "skipped"


_ORDER = {state: number for number, state in enumerate(FindingState)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One row: a value, an arm, a case, or a whole baseline that is not what it was."""

    state: FindingState
    fails: bool  # whether it makes the outcome one
    case: str = ""  # "" for what concerns the whole run
    arm: str = ""  # "" for a whole case
    metric: str = ""  # "" for a whole arm
    unit: Unit = "1"
    base: float | None = None
    head: float | None = None
    meaning: str = ""  # of the metric
    detail: str = ""  # what else is to be said, in words

    @property
    def order(self) -> tuple[bool, int, float, str, str, str]:
        """Sort what fails first, then by state, the largest relative change first, then by name."""
        change = 0.0
        if self.base is not None and self.head is not None:
            change = abs(self.head - self.base) / (abs(self.base) or 1.0)
        return (not self.fails, _ORDER[self.state], -change, self.case, self.arm, self.metric)

    @property
    def exists_twice(self) -> bool:
        """Whether there is a value on both sides."""
        return self.base is not None and self.head is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was found in one run.

    Attributes:
        door: "gate", "compare" or "report": what asked.
        subject: what was held against what, in words.
        findings: all but equal values, sorted.
        equal: how many exact values are what they were, by case.
        cases: the cases of the run by their id, where it is a run of this harness.
        notes: what is to be known of the whole.
        command: what measured the run.
        threads: intra-op threads of the run.
        environment: of the run, in lines.
        same: how many times were judged to be the same, which is no finding.
        made: what was done to the baseline that the run was held against, "made" or "updated"; "" where it
            was there.
        changes: what is known of the causes of differences, an arm each.
    """

    door: str
    subject: str
    findings: tuple[Finding, ...]
    equal: Mapping[str, int]
    cases: Mapping[str, Case]
    notes: tuple[str, ...] = ()
    command: str = ""
    threads: int = 0
    environment: tuple[str, ...] = ()
    same: int = 0
    made: str = ""
    changes: tuple[CallersChange, ...] = ()

    @property
    def compared(self) -> int:
        """How many values were held against another, whatever came of it."""
        held = sum(
            finding.exists_twice and finding.state is not FindingState.INCOMPARABLE
            for finding in self.findings
        )
        return sum(self.equal.values()) + self.same + held

    @property
    def fails(self) -> bool:
        """Whether anything failed."""
        return any(finding.fails for finding in self.findings)

    @property
    def undecided(self) -> bool:
        """Whether something was left undecided."""
        return any(finding.state is FindingState.UNDECIDED for finding in self.findings)

    def counts(self) -> dict[FindingState, int]:
        """Return how many findings there are of each state, in the order of states."""
        counted = Counter(finding.state for finding in self.findings)
        return {state: counted[state] for state in FindingState if counted[state]}


def closed(outcome: Outcome) -> Outcome:
    """Return an outcome that fails where nothing was compared, and says why: what is green was looked at."""
    if outcome.fails or outcome.compared:
        return outcome
    causes = dict.fromkeys(finding.detail for finding in outcome.findings if finding.detail)
    said = "; ".join([*causes][:_CAUSES]) or "neither side holds a value"
    finding = Finding(state=FindingState.NOTHING, fails=True, detail=f"nothing was compared: {said}")
    return replace(outcome, findings=in_order([finding, *outcome.findings]))


_CAUSES = 3  # named at most


def in_order(findings: list[Finding]) -> tuple[Finding, ...]:
    """Return findings as they are shown."""
    return tuple(sorted(findings, key=lambda finding: finding.order))
