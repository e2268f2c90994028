"""What every value of a stored file keeps to, whatever its field: checks that the schema itself makes.

A field that is added is checked as soon as it is there.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import Any

import msgspec
from msgspec import inspect

from harness.errors import HarnessError

LONGEST_TEXT = 100_000  # characters
LARGEST_COUNT = 2**63 - 1  # what a count of bytes can be, and a float still holds
LARGEST_NUMBER = 1e100  # of a float: its square and its cube are finite too
_LONGEST_REASON = 200  # characters of what a decoder says
_SHOWN = 60  # characters of a name in a message

_Check = Callable[[Any], None]


class ImplausibleError(HarnessError, ValueError):
    """Contents whose types are right and which cannot be used, in one sentence."""


def quoted(text: str) -> str:
    """Return a name for a message, cut where it is long."""
    return repr(text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}...")


def check_bounds(value: Any, kind: Any) -> None:
    """Check every string and every number of what was decoded as a type.

    Raises:
        ImplausibleError: a string is too long or holds a NUL, or a number is too large to be counted with.
    """
    check = _check_of(inspect.type_info(kind))
    if check is not None:
        check(value)


def _check_of(kind: inspect.Type) -> _Check | None:
    """Return what checks a value of a type; None where every value will do."""
    check: _Check | None = None
    match kind:
        case inspect.StrType():
            check = _check_text
        case inspect.IntType():
            check = _check_count
        case inspect.FloatType():
            check = _check_number
        case inspect.AnyType():
            check = _check_any
        case inspect.UnionType(types=types):
            check = _check_union(types)
        case inspect.VarTupleType(item_type=item) | inspect.ListType(item_type=item):
            check = _check_items(item)
        case inspect.TupleType(item_types=items):
            check = _check_each([_check_of(item) for item in items])
        case inspect.DictType(key_type=key, value_type=item):
            check = _check_mapping(key, item)
        case inspect.StructType(fields=fields) | inspect.DataclassType(fields=fields):
            check = _check_fields(fields)
    return check


def _check_text(text: str) -> None:
    if len(text) > LONGEST_TEXT:
        raise ImplausibleError(f"a text of {len(text):,} characters; {LONGEST_TEXT:,} are the most")
    if "\0" in text:
        raise ImplausibleError(f"{quoted(text)} holds a NUL character")


def _check_count(count: int) -> None:
    if not -LARGEST_COUNT <= count <= LARGEST_COUNT:
        raise ImplausibleError(f"a count beyond {LARGEST_COUNT:,}")


def _check_number(number: float) -> None:
    if not -LARGEST_NUMBER <= number <= LARGEST_NUMBER:
        raise ImplausibleError(f"{number:.3g} is beyond {LARGEST_NUMBER:g}")


def _check_any(value: object) -> None:
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, int):
        _check_count(value)
    elif isinstance(value, float):
        _check_number(value)
    elif isinstance(value, dict):
        for name, item in value.items():
            _check_text(name)
            _check_any(item)
    elif isinstance(value, list):
        for item in value:
            _check_any(item)


def _check_union(types: tuple[inspect.Type, ...]) -> _Check | None:
    checks = [each for each in map(_check_of, types) if each is not None]
    if len(checks) != 1:
        return _check_any if checks else None
    only = checks[0]

    def check_optional(value: Any) -> None:
        if value is not None:
            only(value)

    return check_optional


def _check_items(item: inspect.Type) -> _Check | None:
    only = _check_of(item)
    if only is None:
        return None
    if only is _check_number:
        return _check_numbers

    def check(values: Any) -> None:
        for number, value in enumerate(values):
            try:
                only(value)
            except ImplausibleError as error:
                raise ImplausibleError(_at(f"[{number}]", error)) from None

    return check


def _check_numbers(numbers: Any) -> None:
    # Most are few: to ask of each of them alone would take a third of the time of reading a file.
    if numbers and not -LARGEST_NUMBER <= min(numbers) <= max(numbers) <= LARGEST_NUMBER:
        for number in numbers:
            _check_number(number)


def _check_each(checks: list[_Check | None]) -> _Check | None:
    needed = [(number, each) for number, each in enumerate(checks) if each is not None]

    def check(values: Any) -> None:
        for number, only in needed:
            only(values[number])

    return check if needed else None


def _check_mapping(key: inspect.Type, item: inspect.Type) -> _Check | None:
    of_key, of_item = _check_of(key), _check_of(item)

    def check(values: Any) -> None:
        for name, value in values.items():
            if of_key is not None:
                of_key(name)
            if of_item is not None:
                of_item(value)

    return check


def _check_fields(fields: tuple[inspect.Field, ...]) -> _Check | None:
    checks = [(field.name, _check_of(field.type)) for field in fields]
    needed = [(name, each) for name, each in checks if each is not None]
    texts = [name for name, each in needed if each is _check_text]
    # Most of what a file holds are short texts, which are looked at together; the place is wanted of few.
    together = attrgetter(*texts, texts[0]) if texts else None
    others = [(name, each) for name, each in needed if each is not _check_text]

    def check(value: Any) -> None:
        if together is not None:
            joined = "".join(together(value))
            if len(joined) > LONGEST_TEXT or "\0" in joined:
                check_all(value, needed)
        check_all(value, others)

    def check_all(value: Any, every: list[tuple[str, _Check]]) -> None:
        for name, only in every:
            inner = getattr(value, name)
            if inner:  # nothing is no matter
                try:
                    only(inner)
                except ImplausibleError as error:
                    raise ImplausibleError(_at(f".{name}", error)) from None

    return check if needed else None


def _at(place: str, error: ImplausibleError) -> str:
    """Return a message that begins with where the value is, as in ".records[3].case.variant: ..."."""
    said = str(error)
    return f"{place}{said}" if said.startswith((".", "[")) else f"{place}: {said}"


def reason_of(error: msgspec.DecodeError | UnicodeDecodeError | RecursionError) -> str:
    """Return why something cannot be decoded, at a length that fits a line: it may quote what it read."""
    said = "brackets inside brackets without end" if isinstance(error, RecursionError) else str(error)
    return said if len(said) <= _LONGEST_REASON else f"{said[: _LONGEST_REASON - 3]}..."
