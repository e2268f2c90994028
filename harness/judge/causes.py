"""What changed in a model, read off the findings: causes before their effects."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from harness.judge.callers import CallersChange, CallsChange
from harness.judge.finding import Finding, FindingState, Outcome

_GROUP = re.compile(r"parameters in group '(?P<name>.*)', weight decay (?P<decay>\S+)", re.DOTALL)
_NAMED = 4  # of the groups of one cause, or of causes of one kind
_OPERATORS = 3  # that are named of one module

_Item = TypeVar("_Item")


def causes(outcome: Outcome) -> tuple[str, ...]:
    """Return what changed in the model itself, a sentence each.

    What is trained comes first, then where a graph is recorded, then who calls other operators, then counts
    that took no byte with them.
    """
    trained = _trained(outcome.findings)
    return (
        *trained,
        *causes_of_callers(outcome.changes, parts_too=not trained),
        *_said_counts(free_counts(outcome.findings)),
        *_unknown(outcome.changes),
    )


def causes_of_callers(changes: Sequence[CallersChange], *, parts_too: bool = True) -> tuple[str, ...]:
    """Return where a graph is recorded that was not, and who calls other operators, a sentence each.

    Args:
        changes: what is known, an arm each.
        parts_too: where no module calls other operators, name the parts of the step that do.
    """
    return (*_graphs(changes), *_calls(changes, parts_too=parts_too))


def _trained(findings: Iterable[Finding]) -> tuple[str, ...]:
    """Return which parameter groups are trained that were not, and the other way round.

    >>> name = "parameters in group 'backbone.0.weight', weight decay 0.01"
    >>> _trained([Finding(state=FindingState.NEW, fails=True, case="c", metric=name, head=8)])
    ('1 parameter group is trained, and was not: backbone.0.weight',)
    """
    changed: dict[FindingState, dict[str, str]] = {FindingState.NEW: {}, FindingState.GONE: {}}
    for finding in findings:
        match = _GROUP.fullmatch(finding.metric)
        if match is not None and finding.state in changed:
            changed[finding.state].setdefault(match["name"], match["decay"])
    new, gone = changed[FindingState.NEW], changed[FindingState.GONE]
    only_new = [name for name in new if name not in gone]
    only_gone = [name for name in gone if name not in new]
    both = [name for name in new if name in gone]
    return tuple(
        _said(names, one, many)
        for names, one, many in (
            (only_new, "is trained, and was not", "are trained, and were not"),
            (only_gone, "is trained no more", "are trained no more"),
            (both, "has another weight decay", "have another weight decay"),
        )
        if names
    )


def _graphs(changes: Iterable[CallersChange]) -> Iterator[str]:
    """Yield where a graph is recorded that was not.

    >>> from harness.judge.callers import GraphChange
    >>> from harness.record.measured import CodeLine
    >>> line = CodeLine(file="nets.py", line=41, count=3, function="evaluate")
    >>> list(_graphs([CallersChange(case="c", arm="a", graphs=(GraphChange(line=line, was_called=True),))]))
    ['no_grad lost in evaluate (nets.py:41)']
    """
    arms = Counter((graph.line.named, graph.was_called) for change in changes for graph in change.graphs)
    for (where, was_called), count in _most(arms):
        what = (
            "no_grad lost in"
            if was_called
            else "a graph is recorded in a function that was not called before:"
        )
        yield f"{what} {where}{_in_each(count)}"


def _calls(changes: Iterable[CallersChange], *, parts_too: bool) -> Iterator[str]:
    """Yield who calls other operators, modules before what follows from them.

    >>> more = CallsChange(who="h.*.attn (Attention)", modules=4, more=(("reshape", 1),))
    >>> list(_calls([CallersChange(case="c", arm="a", calls=(more,), is_free=True)], parts_too=True))
    ['each of 4 h.*.attn (Attention) makes 1 more reshape, no byte changed']
    """
    arms: Counter[CallsChange] = Counter()
    costs: set[CallsChange] = set()
    for change in changes:
        arms.update(change.calls)
        if not change.is_free:
            costs.update(change.calls)
    modules = Counter({each: count for each, count in arms.items() if not each.is_part})
    told = modules or (arms if parts_too else Counter())
    for each, count in _most(told):
        free = "" if each in costs else ", no byte changed"
        yield f"{_who(each)} {_listed(each)}{_in_each(count)}{free}"
    if len(told) > _NAMED:
        yield f"{len(told) - _NAMED:,} more differences of this kind between modules"


def _most(counted: Counter[_Item]) -> list[tuple[_Item, int]]:
    return counted.most_common(_NAMED)


def _who(change: CallsChange) -> str:
    return f"each of {change.modules:,} {change.who}" if change.modules > 1 else change.who


def _listed(change: CallsChange) -> str:
    said = [
        f"{abs(more):,} {'more' if more > 0 else 'fewer'} {name}" for name, more in change.more[:_OPERATORS]
    ]
    if len(change.more) > _OPERATORS:
        said.append(f"other calls of {len(change.more) - _OPERATORS:,} more operators")
    return f"makes {', '.join(said)}"


def _in_each(arms: int) -> str:
    return f" in each of {arms:,} arms" if arms > 1 else ""


def _unknown(changes: Iterable[CallersChange]) -> Iterator[str]:
    if any(change.unknown for change in changes):
        yield (
            "which module makes them is not known: the baseline holds no modules;"
            " `harness gate BASE.json --baseline DIR --update`, with a run of the base, adds them"
        )


def is_free_count(finding: Finding) -> bool:
    """Tell whether a finding is a count that rose and took no byte with it."""
    return (
        finding.state is FindingState.CHANGED
        and finding.unit == "1"
        and finding.base is not None
        and finding.head is not None
        and finding.head > finding.base
        and not _GROUP.fullmatch(finding.metric)
    )


def free_counts(findings: Iterable[Finding]) -> dict[tuple[str, float], int]:
    """Return the counts that rose alike in several arms, and took no byte: by name and how much, the arms."""
    alike = Counter(
        (finding.metric, (finding.head or 0) - (finding.base or 0))
        for finding in findings
        if is_free_count(finding)
    )
    return {key: arms for key, arms in alike.items() if arms > 1}


def _said_counts(alike: Mapping[tuple[str, float], int]) -> Iterator[str]:
    """Yield a sentence for each of the counts that rose alike.

    >>> list(_said_counts({("operators", 3): 2}))
    ['3 operators more in each of 2 arms, no byte changed']
    """
    for (metric, more), arms in _most(Counter(alike)):
        yield f"{more:,.0f} {metric} more in each of {arms:,} arms, no byte changed"
    if len(alike) > _NAMED:
        yield f"{len(alike) - _NAMED:,} more such counts"


def _said(names: list[str], one: str, many: str) -> str:
    count = f"1 parameter group {one}" if len(names) == 1 else f"{len(names):,} parameter groups {many}"
    more = f", and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return f"{count}: {', '.join(names[:_NAMED])}{more}"
