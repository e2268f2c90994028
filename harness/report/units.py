"""Numbers as text: how each unit is written. A unit that is not known here is written after its number."""

import math

from harness.record.schema import Unit

_BINARY = ("B", "KiB", "MiB", "GiB", "TiB")
_SECONDS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns"))
_SMALLEST, _LARGEST = 1e-3, 1e6  # of a number that is written without an exponent
_WORDS = {"B": "bytes", "1": "count"}
_DIGITS = 4  # significant


def quantity(value: float, unit: Unit) -> str:
    """Return a number with its unit, to four significant digits where it is not a count.

    >>> quantity(393216, "B"), quantity(7.25e-05, "s"), quantity(12345, "1"), quantity(0.1875, "J")
    ('384 KiB', '72.5 us', '12,345', '0.1875 J')
    """
    if math.isnan(value):
        return "-"
    if unit == "B":
        return _bytes(int(value))
    if unit == "s":
        return _seconds(value)
    if unit == "1":
        return f"{int(value):,}"
    return f"{_number(value)} {unit}"


def whole(value: float | None, unit: Unit) -> str:
    """Return a value with all of its digits where it is exact, for a difference of 4 B has to be seen.

    >>> whole(393216, "B"), whole(7.25e-05, "s"), whole(1234, "J"), whole(None, "B")
    ('393,216 B', '72.5 us', '1,234 J', '-')
    """
    if value is None:
        return "-"
    if unit in ("s", "1"):
        return quantity(value, unit)
    return f"{_digits(value)} {unit}"


def difference(by: float, unit: Unit) -> str:
    """Return an exact difference, with its sign.

    >>> difference(100, "B"), difference(-3, "1"), difference(0.5, "J")
    ('+100 B', '-3', '+0.5 J')
    """
    return f"{'+' if by >= 0 else ''}{_digits(by)}{'' if unit == '1' else f' {unit}'}"


def axis(largest: float, unit: Unit) -> tuple[float, str]:
    """Return what to divide numbers up to this one by, and the unit that they then have, for an axis.

    >>> axis(3 * 1024**2, "B"), axis(0.005, "s"), axis(40, "1")
    ((1048576.0, 'MiB'), (0.001, 'ms'), (1.0, ''))
    """
    if unit == "B":
        power = min(int(math.log2(largest) // 10) if largest >= 1 else 0, len(_BINARY) - 1)
        return 1024.0**power, _BINARY[power]
    if unit == "s":
        return next(((scale, name) for scale, name in _SECONDS if largest >= scale), _SECONDS[-1])
    return 1.0, "" if unit == "1" else unit


def unit_word(unit: Unit) -> str:
    """Return a unit as a word that other tools show.

    >>> unit_word("B"), unit_word("1"), unit_word("J")
    ('bytes', 'count', 'J')
    """
    return _WORDS.get(unit, unit)


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


def _number(value: float) -> str:
    """Return a number to four significant digits, one that is whole with all of them."""
    if not math.isfinite(value):
        return f"{value}"
    if value == int(value) and abs(value) < _LARGEST:
        return f"{int(value):,}"
    if _SMALLEST <= abs(value) < _LARGEST:
        return f"{float(f'{value:.{_DIGITS}g}'):,.10g}"
    return f"{value:.{_DIGITS}g}"


def _digits(value: float) -> str:
    return f"{int(value):,}" if math.isfinite(value) and value == int(value) else f"{value:,.10g}"


def two_digits(number: float) -> str:
    """Return a number to two digits, or whole.

    >>> two_digits(0.2149), two_digits(5.8), two_digits(12.4), two_digits(249.0)
    ('0.21', '5.8', '12', '249')
    """
    return f"{number:.0f}" if number >= 10 else f"{float(f'{number:.2g}'):g}"  # noqa: PLR2004 (two digits)


def ratio(value: float | None) -> str:
    """Return a ratio with three digits behind the point, or "-" for none.

    >>> ratio(0.98765432), ratio(None)
    ('0.988', '-')
    """
    return "-" if value is None else f"{value:.3f}"


def ratio_with_interval(middle: float | None, low: float | None, high: float | None) -> str:
    """Return a ratio with the ends of its interval; the ratio alone where it has no interval.

    >>> ratio_with_interval(0.9387, 0.9223, 0.9741), ratio_with_interval(1.02, None, None)
    ('0.939 [0.922, 0.974]', '1.020')
    """
    if low is None or high is None:
        return ratio(middle)
    return f"{ratio(middle)} [{ratio(low)}, {ratio(high)}]"
