"""What changed in a model, read off the findings of its parameter groups: causes before their effects."""

import re
from collections.abc import Iterable

from harness.judge.finding import Finding, FindingState

_GROUP = re.compile(r"parameters in group '(?P<name>.*)', weight decay (?P<decay>\S+)", re.DOTALL)
_NAMED = 4  # of the groups of one cause


def causes(findings: Iterable[Finding]) -> tuple[str, ...]:
    """Return which parameter groups are trained that were not, and the other way round, a sentence each.

    >>> name = "parameters in group 'backbone.0.weight', weight decay 0.01"
    >>> causes([Finding(state=FindingState.NEW, fails=True, case="c", metric=name, head=8)])
    ('1 parameter group became trainable: backbone.0.weight',)
    """
    changed: dict[FindingState, dict[str, str]] = {FindingState.NEW: {}, FindingState.GONE: {}}
    for finding in findings:
        match = _GROUP.fullmatch(finding.metric)
        if match is not None and finding.state in changed:
            changed[finding.state].setdefault(match["name"], match["decay"])
    new, gone = changed[FindingState.NEW], changed[FindingState.GONE]
    both = [name for name in new if name in gone]
    return tuple(
        _said(names, what)
        for names, what in (
            ([name for name in new if name not in gone], "became trainable"),
            ([name for name in gone if name not in new], "are trained no more"),
            (both, "have another weight decay"),
        )
        if names
    )


def _said(names: list[str], what: str) -> str:
    count = "1 parameter group" if len(names) == 1 else f"{len(names):,} parameter groups"
    verb = what.replace("are trained", "is trained").replace("have", "has") if len(names) == 1 else what
    more = f", and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return f"{count} {verb}: {', '.join(names[:_NAMED])}{more}"
