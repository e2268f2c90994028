"""What a project's configuration allows: budgets, allowances and accepted residuals, by case pattern."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from harness.errors import HarnessError
from harness.record.schema import Metric

GATE_TABLE = "tool.harness.gate"

_SIZES = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, "TiB": 1024**4}
_NUMBER = r"(?P<number>\d+(?:\.\d+)?)\s*(?P<size>B|KiB|MiB|GiB|TiB)?"
_BUDGET = re.compile(rf"(?P<metric>.+?)\s*<=\s*{_NUMBER}")
_ALLOWANCE = re.compile(rf"(?:(?P<metric>.+?)\s+)?(?P<percent>\d+(?:\.\d+)?)\s*%\s*\+\s*{_NUMBER}")


class LimitError(HarnessError, ValueError):
    """A limit in the configuration that cannot be used, in one sentence."""


@dataclass(frozen=True, slots=True)
class Budget:
    """An absolute limit on one exact metric of the cases of a pattern."""

    pattern: str
    metric: str
    most: int  # in the metric's unit
    text: str


@dataclass(frozen=True, slots=True)
class Allowance:
    """How far an exact metric may move from its baseline, either way, before it counts."""

    pattern: str
    metric: str  # "" for every metric in bytes
    percent: float
    plus: int  # in the metric's unit
    text: str

    def takes(self, base: int, head: int) -> bool:
        """Whether a change lies inside."""
        return abs(head - base) <= abs(base) * self.percent / 100 + self.plus


@dataclass(frozen=True, slots=True)
class Residual:
    """What the books of the cases of a pattern are known to leave unaccounted for."""

    pattern: str
    unaccounted: int  # bytes


@dataclass(frozen=True, slots=True)
class Limits:
    """All that a project allows."""

    budgets: tuple[Budget, ...] = ()
    allowances: tuple[Allowance, ...] = ()
    residuals: tuple[Residual, ...] = ()
    counts_fail: bool = True  # where a count changed and no byte did

    def allowance(self, case: str, arm: str, metric: Metric | None, base: int, head: int) -> Allowance | None:
        """Return the first allowance that takes a change, or None."""
        if metric is None:
            return None
        for allowance in self.allowances:
            named = allowance.metric == metric.name or (not allowance.metric and metric.unit == "B")
            if named and matches(allowance.pattern, case, arm) and allowance.takes(base, head):
                return allowance
        return None

    def unaccounted(self, case: str, arm: str) -> int:
        """Return what the books of an arm are known to leave over; 0 unless accepted."""
        for residual in self.residuals:
            if matches(residual.pattern, case, arm):
                return residual.unaccounted
        return 0


def matches(pattern: str, case: str, arm: str) -> bool:
    """Whether a pattern is of a case, or of one arm of it, which is written "CASE: ARM".

    >>> matches("grad_mode/*", "grad_mode/lstm/eval", "grad"), matches("*: no_grad", "grad_mode/lstm", "grad")
    (True, False)
    """
    return fnmatchcase(case, pattern) or fnmatchcase(f"{case}: {arm}", pattern)


def read_limits(settings: Mapping[str, object]) -> Limits:
    """Read `[tool.harness.gate]` of a pyproject.toml that was parsed.

    Raises:
        LimitError: an unknown key, or a limit that is written otherwise.
    """
    table: object = settings
    for name in GATE_TABLE.split("."):
        table = table.get(name, {}) if isinstance(table, Mapping) else {}
    if not isinstance(table, Mapping):
        raise LimitError(f"[{GATE_TABLE}] is not a table")
    known = ("budgets", "allowances", "unaccounted", "counts")
    for name in table:
        if name not in known:
            raise LimitError(f"[{GATE_TABLE}] has no key {name!r}; there are {', '.join(known)}")
    counts = table.get("counts", "fail")
    if counts not in ("fail", "show"):
        raise LimitError(f"[{GATE_TABLE}] counts is {counts!r}; it is 'fail' or 'show'")
    return Limits(
        counts_fail=counts == "fail",
        budgets=tuple(_budget(*item) for item in _texts(table, "budgets")),
        allowances=tuple(_allowance(*item) for item in _texts(table, "allowances")),
        residuals=tuple(_residual(*item) for item in _items(table, "unaccounted")),
    )


def _items(table: Mapping[str, object], name: str) -> Iterable[tuple[str, object]]:
    limits = table.get(name, {})
    if not isinstance(limits, Mapping):
        raise LimitError(f"[{GATE_TABLE}.{name}] is not a table of case patterns")
    return limits.items()


def _texts(table: Mapping[str, object], name: str) -> Iterable[tuple[str, str]]:
    for pattern, rules in _items(table, name):
        for rule in rules if isinstance(rules, list) else [rules]:
            if not isinstance(rule, str):
                raise LimitError(f"[{GATE_TABLE}.{name}] {pattern!r} holds {rule!r}, which is not text")
            yield pattern, rule


def _budget(pattern: str, text: str) -> Budget:
    match = _BUDGET.fullmatch(text.strip())
    if match is None:
        raise LimitError(f"budget {text!r} of {pattern!r} is not written as in 'peak <= 512 MiB'")
    return Budget(pattern, match["metric"], _amount(match), text.strip())


def _allowance(pattern: str, text: str) -> Allowance:
    match = _ALLOWANCE.fullmatch(text.strip())
    if match is None:
        raise LimitError(
            f"allowance {text!r} of {pattern!r} is not written as in '1%+4096' or 'peak 0%+4 KiB'"
        )
    return Allowance(pattern, match["metric"] or "", float(match["percent"]), _amount(match), text.strip())


def _residual(pattern: str, value: object) -> Residual:
    if not isinstance(value, int) or isinstance(value, bool):
        raise LimitError(
            f"[{GATE_TABLE}.unaccounted] {pattern!r} holds {value!r}, which is not a number of bytes"
        )
    return Residual(pattern, value)


def _amount(match: re.Match[str]) -> int:
    return int(float(match["number"]) * _SIZES[match["size"] or "B"])


def check_limits(limits: Limits, arms: Iterable[tuple[str, str]], metrics: Mapping[str, Metric]) -> None:
    """Check that every limit is of something that is there.

    Raises:
        LimitError: a pattern matches no case, or a metric is not one that can be gated.
    """
    known = list(arms)
    exact = [name for name, metric in metrics.items() if metric.kind == "exact"]
    every: list[Budget | Allowance | Residual] = [*limits.budgets, *limits.allowances, *limits.residuals]
    for limit in every:
        if not any(matches(limit.pattern, case, arm) for case, arm in known):
            example = known[0][0] if known else "none"
            raise LimitError(f"[{GATE_TABLE}] pattern {limit.pattern!r} matches no case; there is {example}")
        name = "" if isinstance(limit, Residual) else limit.metric
        if name and name not in exact:
            kind = (
                f"is {metrics[name].kind}, and only exact ones are gated"
                if name in metrics
                else "is not there"
            )
            raise LimitError(f"[{GATE_TABLE}] metric {name!r} {kind}; there are {', '.join(exact)}")
