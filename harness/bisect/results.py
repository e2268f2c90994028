"""What steps gave, as it is kept in the state's file, and what changed between two of them."""

from collections.abc import Mapping

import msgspec

from harness.bisect.step import MEASURED

TIME_OF = "time of"  # what the name of a time begins with; the arm follows
SAME = 1_000_000  # a time is in millionths of the good end's


class StepResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one candidate took; `failed` says why it could not be measured, else it is ""."""

    values: dict[str, int] = {}
    holders: dict[str, dict[str, int]] = {}
    operators: dict[str, int] = {}
    failed: str = ""


class SearchState(msgspec.Struct, frozen=True, kw_only=True):
    """What is known so far of one search."""

    format: int = 1
    question: str  # good, bad and target: another search is not gone on with
    results: dict[str, StepResult] = {}


def differing_metric(good: StepResult, bad: StepResult, wanted: str = "") -> str:
    """Return the metric that tells bad from good, the wanted one or the first that differs; "" for none."""
    names = (wanted,) if wanted else (*MEASURED, *bad.values)
    return next((name for name in names if good.values.get(name) != bad.values.get(name)), "")


def is_bad(result: StepResult, good: StepResult, bad: StepResult, metric: str) -> bool | None:
    """Tell whether a candidate has left the good end's value for the bad end's side; None where unknown."""
    if result.failed or metric not in result.values:
        return None
    value, start, end = result.values[metric], good.values[metric], bad.values[metric]
    return value > start if end > start else value < start


def moved_module(before: StepResult, after: StepResult, metric: str) -> str:
    """Return the module whose share of a metric changed most."""
    if metric == "operators":
        return moved_operator(before, after).partition("\t")[0]
    return _most_changed(before.holders.get(metric, {}), after.holders.get(metric, {}))


def moved_operator(before: StepResult, after: StepResult, module: str = "") -> str:
    """Return "module, tab, operator" of the operator whose number of calls changed most, where one did.

    Those of the module come first, because what it holds comes of what it calls.
    """
    for inside in (module, "") if module else ("",):
        chosen = [
            {
                key: count
                for key, count in each.operators.items()
                if not inside or key.split("\t")[0] == inside
            }
            for each in (before, after)
        ]
        operator = _most_changed(*chosen)
        if operator:
            return operator
    return ""


def _most_changed(before: Mapping[str, int], after: Mapping[str, int]) -> str:
    changes = {name: after.get(name, 0) - before.get(name, 0) for name in {*before, *after}}
    name = max(sorted(changes), key=lambda each: (abs(changes[each]), changes[each]), default="")
    return name if changes.get(name) else ""
