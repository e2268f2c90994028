"""Every kind of file that a command keeps, from the types that read it and the comments beside fields."""

import ast
import inspect
import io
import re
import textwrap
import tokenize
from typing import Any

import msgspec
from cells import cell, code, table

from harness.calibration.record import Calibration
from harness.claims.record import ClaimsRun
from harness.record.baseline import Baseline
from harness.record.duel import Duel
from harness.record.fit import FitSearch
from harness.record.schema import Run

ROOTS: dict[str, type] = {
    "A run": Run,
    "A baseline": Baseline,
    "A duel": Duel,
    "A search for a step that fits": FitSearch,
    "Claims": ClaimsRun,
    "A calibration": Calibration,
}


def files_text() -> str:
    """Return a section a kind of file, and one for each type in it that no section before it has."""
    written: set[type] = set()
    parts = []
    for heading, root in ROOTS.items():
        parts += [f"## {heading}\n"]
        parts += [_section(each) for each in _reached(root) if each not in written]
        written |= set(_reached(root))
    return "\n".join(parts)


def _reached(root: type) -> list[type]:
    """Return the types of a file's objects, its own first, each once."""
    reached: dict[type, None] = {}
    waiting: list[Any] = [msgspec.inspect.type_info(root)]
    while waiting:
        info = waiting.pop(0)
        if hasattr(info, "fields") and hasattr(info, "cls"):
            if info.cls in reached:
                continue
            reached[info.cls] = None
            waiting += [field.type for field in info.fields]
        else:
            waiting += [part for part in _parts(info) if part is not None]
    return list(reached)


def _parts(info: Any) -> list[Any]:
    many = [*getattr(info, "types", ()), *getattr(info, "item_types", ())]
    return [
        *many,
        getattr(info, "item_type", None),
        getattr(info, "key_type", None),
        getattr(info, "value_type", None),
    ]


def _section(kind: type) -> str:
    comments = field_comments(kind)
    rows = [
        (code(field.encode_name), _words(field.type), cell(comments.get(field.name, "")))
        for field in msgspec.inspect.type_info(kind).fields  # type: ignore[attr-defined]
    ]
    meaning = (inspect.getdoc(kind) or "").split("\n\n")[0]
    return f"### {kind.__name__}\n\n{meaning}\n\n{table(('field', 'type', 'what'), rows)}"


def field_comments(kind: type) -> dict[str, str]:
    """Return what is said of each field of a class: in a comment beside it, or under `Attributes:`."""
    return documented_fields(inspect.getdoc(kind) or "") | commented_fields(kind)


def documented_fields(docstring: str) -> dict[str, str]:
    r"""Return what a docstring says of each attribute.

    >>> documented_fields("A pair.\n\nAttributes:\n    a: the first,\n        in bytes.\n    b: another.")
    {'a': 'the first, in bytes.', 'b': 'another.'}
    """
    _, _, section = docstring.partition("Attributes:\n")
    pairs = re.findall(r"^    (\w+): (.*(?:\n {5,}.*)*)", section, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in pairs}


def commented_fields(kind: type) -> dict[str, str]:
    """Return the comments beside the fields of a class."""
    source = textwrap.dedent(inspect.getsource(kind))
    comments = {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    (body,) = ast.parse(source).body
    assert isinstance(body, ast.ClassDef)  # noqa: S101 (what was given is a class)
    return {
        statement.target.id: comments[statement.end_lineno or statement.lineno]
        for statement in body.body
        if isinstance(statement, ast.AnnAssign)
        and isinstance(statement.target, ast.Name)
        and (statement.end_lineno or statement.lineno) in comments
    }


_PLAIN = {"str": "text", "int": "whole number", "float": "number", "bool": "true or false", "none": "null"}


def _words(info: Any) -> str:
    match info:
        case msgspec.inspect.StructType() | msgspec.inspect.DataclassType():
            words = f"[{info.cls.__name__}](#{info.cls.__name__.lower()})"
        case msgspec.inspect.VarTupleType() | msgspec.inspect.ListType():
            words = f"list of {_words(info.item_type)}"
        case msgspec.inspect.TupleType():
            words = f"list of {', '.join(_words(each) for each in info.item_types)}"
        case msgspec.inspect.DictType():
            words = f"{_words(info.key_type)} to {_words(info.value_type)}"
        case msgspec.inspect.UnionType():
            words = " or ".join(_words(each) for each in info.types)
        case msgspec.inspect.LiteralType():
            words = ", ".join(code(f'"{value}"') for value in info.values)
        case _:
            name = type(info).__name__.removesuffix("Type").lower()
            words = _PLAIN.get(name, name)
    return words
