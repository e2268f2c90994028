"""What counts are made of: which module calls which operator, which function records graphs.

Baselines hold it by pattern of path, because modules that differ in their number alone mostly do the same.
"""

import re
from collections.abc import Iterable, Mapping

from harness.record.measured import Calls, CodeLine
from harness.record.names import NODES, OPERATORS

GRAPHS = "graphs"  # calls of a function's modules that recorded one

CallerKey = tuple[str, str]  # what is counted, and where: ("operators", "h.*.attn (Attention)")
Callers = Mapping[CallerKey, Mapping[str, int]]  # by name: of an operator, or `GRAPHS`

_NUMBER = re.compile(r"(?<![^.])\d+(?![^.])")


def pattern_of(path: str) -> str:
    """Return a path with a star for each part of it that is a number.

    >>> pattern_of("h.10.attn.conv1")
    'h.*.attn.conv1'
    """
    return _NUMBER.sub("*", path)


def module_name(path: str, kind: str) -> str:
    """Return a module by path and class, the model itself by its class, a part of the step in brackets.

    >>> module_name("h.0.attn", "Attention"), module_name("", "Net"), module_name("backward", "")
    ('h.0.attn (Attention)', 'Net', '(backward)')
    """
    if not kind:
        return f"({path or 'outside modules'})"
    return f"{path} ({kind})" if path else kind


def callers_of(calls: Iterable[Calls], lines: Iterable[CodeLine]) -> dict[CallerKey, dict[str, int]]:
    """Return what an arm's counts are made of.

    Args:
        calls: of operators, by module.
        lines: that call modules, with how many of these calls recorded a graph.
    """
    callers: dict[CallerKey, dict[str, int]] = {}
    for group in calls:
        for path in group.modules:
            where = OPERATORS, module_name(pattern_of(path), group.kind)
            _add(callers.setdefault(where, {}), group.operators)
    for line in lines:
        _add(callers.setdefault((NODES, function_name(line)), {}), {GRAPHS: line.count})
    return callers


def function_name(line: CodeLine) -> str:
    """Return a function without its line, which other changes of a file move.

    >>> function_name(CodeLine(file="nets.py", line=41, count=1, function="evaluate"))
    'evaluate (nets.py)'
    """
    return f"{line.function or 'code'} ({line.file})"


def _add(counted: dict[str, int], more: Mapping[str, int]) -> None:
    for name, count in more.items():
        counted[name] = counted.get(name, 0) + count
