"""One check and one number as text."""

from harness.claims.record import Check, Number
from harness.report.text import percent
from harness.report.units import quantity

_MARKS = {True: "yes", False: "no", None: "undecided"}


def row_of(check: Check) -> tuple[str, str, str]:
    """Return whether it was true, the condition and what was seen."""
    return _MARKS[check.holds], check.where, check.says


def number_text(number: Number) -> str:
    """Return a number with its unit and its interval.

    >>> number_text(Number(name="", value=0.5, low=0.45, high=0.55, unit="ratio"))
    '0.500 [0.450, 0.550]'
    """
    if number.value is None:
        return number.text or "-"
    middle = _plain(number.value, number.unit)
    if number.low is None and number.high is None:
        return middle
    ends = ", ".join("-" if end is None else _plain(end, number.unit) for end in (number.low, number.high))
    return f"{middle} [{ends}]"


def _plain(value: float, unit: str) -> str:
    if unit in ("s", "B", "1"):
        return quantity(value, unit)
    if unit == "share":
        return percent(value)
    if unit == "ratio" and 0.01 <= abs(value) < 1000:  # noqa: PLR2004 (three digits behind the point tell it)
        return f"{value:.3f}"
    return f"{value:.3g}"
