"""What each statement teaches: texts in two languages, and a program that is run."""

import contextlib
import io
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import torch

from harness.claims.record import Bilingual, Lesson

_WORDS = ("quote", "why", "practice", "fails")


@cache
def texts() -> Mapping[str, Mapping[str, Any]]:
    """Return the texts of every statement, by its id; what a file says under `all` is said of each."""
    merged: dict[str, Mapping[str, Any]] = {}
    for path in (files("harness.claims") / "lessons").iterdir():
        if path.name.endswith(".toml"):
            own = tomllib.loads(path.read_text(encoding="utf-8"))
            shared = own.pop("all", {})
            places = shared.pop("places", {})
            for name, text in own.items():
                merged[name] = {**shared, **text, "places": {**places, **text.get("places", {})}}
    return merged


def lesson_of(name: str) -> Lesson:
    """Return the lesson of a statement, its program run; an empty one where there are no texts."""
    text = texts().get(name, {})
    program = text.get("program", "").strip("\n")
    return Lesson(
        statement=text.get("statement_zh", ""),
        **{field: Bilingual(en=text.get(field, ""), zh=text.get(f"{field}_zh", "")) for field in _WORDS},
        program=program,
        prints=printed(program),
        places=tuple(text.get("places", {}).items()),
        captions=tuple(text.get("captions_zh", ())),
    )


def printed(program: str) -> str:
    """Run a program of the lessons from a seed of its own, and return what it prints."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output), torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        exec(compile(program, "<lesson>", "exec"), {"__name__": "__main__"})  # noqa: S102 (this package's text)
    return output.getvalue().rstrip("\n")
