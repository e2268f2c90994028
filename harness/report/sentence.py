"""Findings and outcomes in words: the verdict line, the counts, a sentence a row."""

from collections.abc import Sequence

from harness.judge.finding import Finding, FindingState, Outcome
from harness.report.text import many, percent
from harness.report.units import difference, whole

_PLURAL = {FindingState.NO_BASELINE: "without a baseline", FindingState.UNBALANCED: "with open books"}


def verdict_line(outcomes: Sequence[Outcome]) -> str:
    """Return the one line that decides: PASS or FAIL, and of what."""
    failing = [finding for outcome in outcomes for finding in outcome.findings if finding.fails]
    cases = len({case for outcome in outcomes for case in (*outcome.cases, *outcome.equal)})
    equal = sum(sum(outcome.equal.values()) for outcome in outcomes)
    if not failing and (
        made := " and ".join(dict.fromkeys(outcome.made for outcome in outcomes if outcome.made))
    ):
        return (
            f"baseline {made}: {many(equal, 'exact value')} of {many(cases, 'case')}; compared with nothing"
        )
    if not failing and all(outcome.door == "report" for outcome in outcomes):
        return f"{many(cases, 'case')}: nothing failed, books balance; compared with nothing"
    if not failing:
        undecided = sum(outcome.counts().get(FindingState.UNDECIDED, 0) for outcome in outcomes)
        rest = f"; {undecided:,} times undecided" if undecided else ""
        return f"PASS: nothing worse in {many(cases, 'case')}; {many(equal, 'exact value')} equal{rest}"
    states = [state for state in FindingState if any(finding.state is state for finding in failing)]
    counted = ", ".join(
        state.value
        if state is FindingState.NOTHING
        else f"{sum(finding.state is state for finding in failing):,} {_PLURAL.get(state, state.value)}"
        for state in states
    )
    touched = len({finding.case for finding in failing if finding.case})
    where = f" in {touched:,} of {many(max(cases, touched), 'case')}" if touched else ""
    return f"FAIL: {counted}{where}"


def counts_line(outcomes: Sequence[Outcome]) -> str:
    """Return how many rows there are of each state, those that pass included."""
    total: dict[FindingState, int] = {}
    for outcome in outcomes:
        for state, count in outcome.counts().items():
            total[state] = total.get(state, 0) + count
    equal = sum(sum(outcome.equal.values()) for outcome in outcomes)
    parts = [f"{equal:,} equal"]
    parts += [
        f"{total[state]:,} {_PLURAL.get(state, state.value)}" for state in FindingState if state in total
    ]
    return ", ".join(parts)


def sentence(finding: Finding) -> str:
    """Return one row in one line of words."""
    where = case_and_arm(finding)
    if not finding.metric:
        return f"{finding.state}: {where}{': ' if where else ''}{finding.detail}"
    change = f", {change_of(finding)}" if finding.exists_twice else ""
    meaning = f" ({finding.meaning})" if finding.meaning else ""
    detail = f"; {finding.detail}" if finding.detail else ""
    before = f"{whole(finding.base, finding.unit)} -> " if finding.base is not None else ""
    after = whole(finding.head, finding.unit) if finding.head is not None else "gone"
    return f"{finding.state}: {where}: {finding.metric} {before}{after}{change}{meaning}{detail}"


def case_and_arm(finding: Finding) -> str:
    """Return where a finding is: the case and its arm.

    >>> case_and_arm(Finding(state=FindingState.GONE, fails=True, case="grad_mode/lstm", arm="grad"))
    'grad_mode/lstm: grad'
    """
    return ": ".join(part for part in (finding.case, finding.arm) if part)


def change_of(finding: Finding) -> str:
    """Return by how much a value changed: absolutely where it is exact, and relatively.

    >>> change_of(Finding(state=FindingState.WORSE, fails=True, unit="B", base=1000, head=1100))
    '+100 B (+10.0 %)'
    """
    if finding.base is None or finding.head is None:
        return ""
    by = finding.head - finding.base
    share = percent(by / finding.base, "+.1%") if finding.base > 0 else "from 0"
    if finding.unit == "s":
        return share
    return f"{difference(by, finding.unit)} ({share})"
