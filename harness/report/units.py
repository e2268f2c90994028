"""Numbers as text, with their units."""

import math

from harness.record.schema import Unit

_BINARY = ("B", "KiB", "MiB", "GiB", "TiB")
_SECONDS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns"))


def quantity(value: float, unit: Unit) -> str:
    """Return a number with its unit, to four significant digits where it is not a count.

    >>> quantity(393216, "B"), quantity(7.25e-05, "s"), quantity(12345, "1")
    ('384 KiB', '72.5 us', '12,345')
    """
    if math.isnan(value):
        return "-"
    if unit == "B":
        return _bytes(int(value))
    if unit == "s":
        return _seconds(value)
    return f"{int(value):,}"


def _bytes(value: int) -> str:
    size = float(value)
    for unit in _BINARY:
        if abs(float(f"{size:.4g}")) < 1024 or unit == _BINARY[-1]:  # noqa: PLR2004 (binary units)
            return f"{size:.4g} {unit}"
        size /= 1024
    raise AssertionError("the last unit takes every size")


def _seconds(value: float) -> str:
    shown = float(f"{value:.3g}")  # the unit is that of what is shown: 999.9 us is 1 ms
    if abs(shown) >= 1000:  # noqa: PLR2004 (there is no unit above the second)
        return f"{value:.0f} s"
    for scale, unit in _SECONDS:
        if abs(shown) >= scale:
            return f"{shown / scale:.3g} {unit}"
    return f"{shown:.3g} s"


def ratio(value: float | None) -> str:
    """Return a ratio with three digits behind the point, or "-" for none.

    >>> ratio(0.98765432), ratio(None)
    ('0.988', '-')
    """
    return "-" if value is None else f"{value:.3f}"


def markdown(text: str) -> str:
    r"""Return text from anywhere so that markdown shows it as it is, on one line.

    >>> markdown("a|b<script>")
    'a\\|b&lt;script&gt;'
    """
    one_line = " ".join(text.split())
    escaped = one_line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for character in "\\|`*_[]":
        escaped = escaped.replace(character, "\\" + character)
    return escaped
