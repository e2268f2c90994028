"""What a search came to, as lines and as JSON: the candidate, the metric, the module, the operator."""

from typing import Any

from harness.bisect.results import SAME, TIME_OF, moved_module, moved_operator
from harness.bisect.run import SearchAnswer

_BYTES = frozenset({"saved", "peak"})
_NAME_COLUMNS = 12  # of a commit's name, as git shows it


def answer_lines(answer: SearchAnswer, kind: str = "commits") -> list[str]:
    """Return the lines of an answer, for a terminal.

    Args:
        answer: of a search.
        kind: what was searched over, in the plural.
    """
    data = answer_data(answer)
    before, after = data["before"], data["after"]
    suspects = [f"{each.name[:_NAME_COLUMNS]} {each.title}".rstrip() for each in answer.suspects]
    if len(suspects) == 1:
        lines = [f"first bad: {suspects[0]}"]
    else:
        lines = ["first bad: one of these, of which only the last could be measured"]
        lines += [f"    {suspect}" for suspect in suspects]
    lines.append(f"metric:    {data['metric']} {_change(data['metric'], before, after)}")
    if data["module"]:
        lines.append(f"module:    {data['module']}")
    if data["operator"]:
        inside = "" if data["operator_module"] == data["module"] else f" in {data['operator_module']}"
        old, new = data["operator_calls"]
        lines.append(f"operator:  {data['operator']}{inside}, {old} -> {new} calls")
    lines.append(f"steps:     {answer.steps} of {answer.of} {kind}")
    return lines


def _change(metric: str, before: int, after: int) -> str:
    if metric.startswith(TIME_OF):
        return f"{before / SAME:.3f} -> {after / SAME:.3f} times that of GOOD ({after / before - 1:+.1%})"
    unit = " B" if metric in _BYTES else ""
    return f"{before:,}{unit} -> {after:,}{unit} ({after - before:+,}{unit})"


def answer_data(answer: SearchAnswer) -> dict[str, Any]:
    """Return an answer as plain values: bytes and counts are exact, times are millionths of GOOD's."""
    metric = answer.metric
    module = moved_module(answer.before, answer.after, metric)
    operator = moved_operator(answer.before, answer.after, module)
    operator_module, _, name = operator.partition("\t")
    return {
        "first_bad": [{"name": each.name, "title": each.title} for each in answer.suspects],
        "metric": metric,
        "before": answer.before.values[metric],
        "after": answer.after.values[metric],
        "module": module,
        "operator": name,
        "operator_module": operator_module,
        "operator_calls": [each.operators.get(operator, 0) for each in (answer.before, answer.after)],
        "steps": answer.steps,
        "candidates": answer.of,
    }
