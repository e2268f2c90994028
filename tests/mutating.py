"""Files that differ from good ones in one place, made from the schema itself: a new field is in at once."""

import copy
from collections.abc import Iterator
from random import Random
from typing import Any

from msgspec import inspect

TEXTS = (
    "",
    "../../../x",
    "/x",
    "a\x00b",
    "\x1b[2J\x9b31m",
    "\N{RIGHT-TO-LEFT OVERRIDE}x",
    "a\nb\r\n# c",
    "<img src=x onerror=alert(1)>",
    "[x](https://example.org) ![y](//example.org) www.example.org",
    "`|$\\frac$",
    "{{ 7 * 7 }}",
    "time",
    "peak",
    "x" * 5_000,
    "x" * 200_000,
)
COUNTS = (0, -1, 1, 2, 10**6, 2**62, 2**63, 2**64, 10**400)
NUMBERS = (0.0, -1.0, 1.0, 1e-320, 1e-12, 1e9, 1e99, 1e308)
Spot = tuple[tuple[Any, ...], inspect.Type]
_OTHERS: tuple[object, ...] = (None, True, 3, 0.5, "text", [], {}, [[]], {"a": 1})


def filled(data: Any, kind: inspect.Type) -> Any:  # noqa: PLR0911 (a return a type)
    """Return data with something in every field that its type has, where it had nothing."""
    match kind:
        case inspect.StructType(fields=fields) | inspect.DataclassType(fields=fields):
            data = {} if data is None else data
            return {field.encode_name: filled(data.get(field.encode_name), field.type) for field in fields}
        case inspect.UnionType(types=types):
            return filled(data, next(one for one in types if not isinstance(one, inspect.NoneType)))
        case inspect.VarTupleType(item_type=item) | inspect.ListType(item_type=item):
            return [filled(one, item) for one in data or [None]]
        case inspect.TupleType(item_types=items):
            return [filled(one, item) for one, item in zip(data or [None] * len(items), items, strict=True)]
        case inspect.DictType(key_type=key, value_type=item):
            return data or {filled(None, key): filled(None, item)}
        case _ if data is not None:
            return data
        case inspect.LiteralType(values=values):
            return values[0]
        case _:
            return {inspect.StrType: "time", inspect.IntType: 1, inspect.FloatType: 0.5}.get(type(kind), True)


def places(data: Any, kind: inspect.Type) -> Iterator[Spot]:  # noqa: C901, PLR0912 (a branch a type)
    """Yield the path and the type of every value inside data."""
    match kind:
        case inspect.StructType(fields=fields) | inspect.DataclassType(fields=fields):
            if isinstance(data, dict):
                for field in fields:
                    name = field.encode_name
                    if name in data:
                        yield (name,), field.type
                        yield from (((name, *path), of) for path, of in places(data[name], field.type))
        case inspect.UnionType(types=types):
            for one in types:
                yield from places(data, one)
        case inspect.VarTupleType(item_type=item) | inspect.ListType(item_type=item):
            if isinstance(data, list):
                for number, value in enumerate(data):
                    yield (number,), item
                    yield from (((number, *path), of) for path, of in places(value, item))
        case inspect.TupleType(item_types=items):
            if isinstance(data, list):
                for number, (value, item) in enumerate(zip(data, items, strict=False)):
                    yield (number,), item
                    yield from (((number, *path), of) for path, of in places(value, item))
        case inspect.DictType(value_type=item):
            if isinstance(data, dict):
                for name, value in data.items():
                    yield (name,), item
                    yield from (((name, *path), of) for path, of in places(value, item))


def mutated(data: Any, kind: inspect.Type, random: Random) -> Any:
    """Return data that differs in one place or two."""
    data = copy.deepcopy(data)
    for _ in range(random.choice((1, 1, 2))):
        path, of = random.choice(list(places(data, kind)))
        inner = data
        for step in path[:-1]:
            inner = inner[step]
        if random.random() < 0.05 and isinstance(inner, dict):
            del inner[path[-1]]
        else:
            inner[path[-1]] = _other(inner[path[-1]], of, random)
    return data


def _other(value: Any, kind: inspect.Type, random: Random) -> Any:  # noqa: C901, PLR0911 (likewise)
    if random.random() < 0.05:
        return random.choice(_OTHERS)
    match kind:
        case inspect.StrType():
            return random.choice(TEXTS)
        case inspect.IntType():
            return random.choice(COUNTS)
        case inspect.FloatType():
            return random.choice(NUMBERS)
        case inspect.BoolType():
            return not value
        case inspect.LiteralType(values=values):
            return random.choice((*values, *TEXTS))
        case inspect.UnionType(types=types):
            one = random.choice(types)
            return None if isinstance(one, inspect.NoneType) else _other(value, one, random)
        case inspect.DictType(key_type=key):
            if not isinstance(value, dict):
                return {}
            return random.choice(({}, {**value, str(_other("", key, random)): next(iter(value.values()), 1)}))
        case _ if isinstance(value, list):
            return random.choice(([], value[:-1], [*value, *value], value[::-1], value * 40))
        case _:
            return random.choice(_OTHERS)
