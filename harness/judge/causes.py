"""What changed in a model, read off the findings: causes before their effects."""

import re
from collections.abc import Iterable

from harness.judge.finding import Finding, FindingState

_GROUP = re.compile(r"parameters in group '(?P<name>.*)', weight decay (?P<decay>\S+)", re.DOTALL)
_NAMED = 4  # of the groups of one cause


def causes(findings: Iterable[Finding]) -> tuple[str, ...]:
    """Return what changed in the model itself, a sentence each: what is trained, and what costs no byte.

    >>> name = "parameters in group 'backbone.0.weight', weight decay 0.01"
    >>> causes([Finding(state=FindingState.NEW, fails=True, case="c", metric=name, head=8)])
    ('1 parameter group became trainable: backbone.0.weight',)
    """
    findings = tuple(findings)
    changed: dict[FindingState, dict[str, str]] = {FindingState.NEW: {}, FindingState.GONE: {}}
    for finding in findings:
        match = _GROUP.fullmatch(finding.metric)
        if match is not None and finding.state in changed:
            changed[finding.state].setdefault(match["name"], match["decay"])
    new, gone = changed[FindingState.NEW], changed[FindingState.GONE]
    both = [name for name in new if name in gone]
    trained = tuple(
        _said(names, what)
        for names, what in (
            ([name for name in new if name not in gone], "became trainable"),
            ([name for name in gone if name not in new], "are trained no more"),
            (both, "have another weight decay"),
        )
        if names
    )
    return (*trained, *_free_counts(findings))


def _free_counts(findings: Iterable[Finding]) -> tuple[str, ...]:
    """Return the counts that rose alike in several arms, and took no byte with them.

    >>> rows = [Finding(state=FindingState.CHANGED, fails=True, case="c", arm=arm, metric="operators", base=9,
    ...     head=12, unit="1") for arm in "ab"]
    >>> _free_counts(rows)
    ('3 operators more in each of 2 arms, no byte changed',)
    """
    alike: dict[tuple[str, float], int] = {}
    for finding in findings:
        if (
            finding.state is not FindingState.CHANGED
            or finding.unit != "1"
            or _GROUP.fullmatch(finding.metric)
        ):
            continue
        if finding.base is not None and finding.head is not None and finding.head > finding.base:
            key = finding.metric, finding.head - finding.base
            alike[key] = alike.get(key, 0) + 1
    return tuple(
        f"{more:,.0f} {metric} more in each of {arms:,} arms, no byte changed"
        for (metric, more), arms in alike.items()
        if arms > 1
    )


def _said(names: list[str], what: str) -> str:
    count = "1 parameter group" if len(names) == 1 else f"{len(names):,} parameter groups"
    verb = what.replace("are trained", "is trained").replace("have", "has") if len(names) == 1 else what
    more = f", and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return f"{count} {verb}: {', '.join(names[:_NAMED])}{more}"
