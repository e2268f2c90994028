"""What of a count changed, by who counts it: which module calls which operator, where graphs are recorded."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from harness.record.callers import GRAPHS, Callers, callers_of, function_name, module_name, pattern_of
from harness.record.measured import Calls, CodeLine
from harness.record.names import NODES, OPERATORS


@dataclass(frozen=True, slots=True, kw_only=True)
class CallsChange:
    """What a module, or each of several, calls more or less often than before.

    Attributes:
        who: the module by path and class, or a part of the step.
        modules: how many modules that is; each of them calls so many more.
        more: by operator; negative for fewer.
    """

    who: str
    modules: int
    more: tuple[tuple[str, int], ...]

    @property
    def is_part(self) -> bool:
        """Whether it is a part of the step that runs no module, such as "(backward)"."""
        return self.who.startswith("(")


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphChange:
    """A line from which modules are called, and record a graph that they did not.

    Attributes:
        line: of the call.
        was_called: it is known that the function called them before, without a graph.
    """

    line: CodeLine
    was_called: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CallersChange:
    """What is known of the cause of one arm's difference.

    Attributes:
        case: its id.
        arm: its name.
        calls: who calls more or less; () where nobody does.
        graphs: what records a graph that recorded none.
        unknown: the operators differ, and the baseline does not hold who calls them.
        is_free: no byte changed.
    """

    case: str
    arm: str
    calls: tuple[CallsChange, ...] = ()
    graphs: tuple[GraphChange, ...] = ()
    unknown: bool = False
    is_free: bool = False


def callers_change(
    key: tuple[str, str],
    before: Callers,
    after: tuple[Iterable[Calls], Iterable[CodeLine]],
    *,
    operators_differ: bool,
    recorded_none: bool,
    is_free: bool,
) -> CallersChange:
    """Return what is known of the cause of an arm's difference.

    Args:
        key: the case and the arm.
        before: what the baseline holds.
        after: who calls which operators now, and which lines call modules.
        operators_differ: their number is another.
        recorded_none: there was no graph before.
        is_free: no byte changed.
    """
    calls, lines = tuple(after[0]), after[1]
    differ = operators_differ and bool(calls)
    is_known = any(metric == OPERATORS for metric, _ in before)
    return CallersChange(
        case=key[0],
        arm=key[1],
        calls=calls_changes(before, calls) if differ and is_known else (),
        graphs=graph_changes(before, lines, recorded_none=recorded_none),
        unknown=differ and not is_known,
        is_free=is_free,
    )


def graph_changes(
    before: Callers, lines: Iterable[CodeLine], *, recorded_none: bool
) -> tuple[GraphChange, ...]:
    """Return the lines that record a graph now, in functions that recorded none before.

    Args:
        before: what the baseline holds.
        lines: that call modules now, with how many of these calls recorded a graph.
        recorded_none: the whole recorded no graph before.
    """
    known = {where: counted for (metric, where), counted in before.items() if metric == NODES}
    changes = []
    for line in lines:
        counted = known.get(function_name(line))
        was_none = recorded_none if counted is None else not counted.get(GRAPHS, 0)
        if line.count > 0 and was_none:
            changes.append(GraphChange(line=line, was_called=counted is not None or recorded_none))
    return tuple(changes)


def calls_changes(before: Callers, calls: Iterable[Calls]) -> tuple[CallsChange, ...]:
    """Return who calls other operators than before, or equal ones more or less often."""
    calls = tuple(calls)
    after, paths = callers_of(calls, ()), _paths(calls)
    changes: list[CallsChange] = []
    for place in dict.fromkeys((*after, *before)):
        metric, where = place
        if metric != OPERATORS:
            continue
        old, new = before.get(place, {}), after.get(place, {})
        differences = {
            name: new.get(name, 0) - old.get(name, 0)
            for name in dict.fromkeys((*new, *old))
            if new.get(name, 0) != old.get(name, 0)
        }
        changes += _named(where, differences, paths.get(where, {}))
    return tuple(changes)


_Paths = Mapping[str, Mapping[str, int]]  # by module, path and class: what it calls


def _paths(calls: Iterable[Calls]) -> Mapping[str, _Paths]:
    """Return the modules of each pattern."""
    by_pattern: dict[str, dict[str, Mapping[str, int]]] = {}
    for group in calls:
        for path in group.modules:
            where = module_name(pattern_of(path), group.kind)
            by_pattern.setdefault(where, {})[module_name(path, group.kind)] = group.operators
    return by_pattern


def _named(where: str, differences: Mapping[str, int], paths: _Paths) -> Iterator[CallsChange]:
    """Yield who makes the calls of a pattern that differ: one of its modules, each of them, or all."""
    by_who: dict[tuple[str, int], dict[str, int]] = {}
    for name, more in differences.items():
        who, modules, each = _who(where, name, more, paths)
        by_who.setdefault((who, modules), {})[name] = each
    for (who, modules), counted in by_who.items():
        ordered = sorted(counted.items(), key=lambda item: (-abs(item[1]), item[0]))
        yield CallsChange(who=who, modules=modules, more=tuple(ordered))


def _who(where: str, name: str, more: int, paths: _Paths) -> tuple[str, int, int]:
    """Return who makes so many more calls, how many modules that is, and how many more each makes."""
    if len(paths) == 1:
        return next(iter(paths)), 1, more
    counts = {module: counted.get(name, 0) for module, counted in paths.items()}
    # Modules of one pattern mostly do the same: what differs from the others is what changed.
    for usual in Counter(counts.values()):
        others = {module: count - usual for module, count in counts.items() if count != usual}
        if others and sum(others.values()) == more and len(set(others.values())) == 1:
            first, *rest = others
            who = f"{first}, one of {len(others):,}" if rest else first
            return who, len(others), more // len(others)
    if counts and len(set(counts.values())) == 1 and more % len(counts) == 0:
        return where, len(counts), more // len(counts)
    return where, 1, more
