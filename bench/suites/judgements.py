"""What reading each line that the watch listed came to, from a file beside this one."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from bench.suites.record import Call, SuiteResult

FILE = Path(__file__).with_name("judgements.toml")


@dataclass(frozen=True, slots=True)
class Judgement:
    """One line, looked at.

    Attributes:
        suite: the package and its version.
        kind: as the watch calls it.
        file: from the package's folder on.
        line: of the call.
        watch: whether the watch is right about it.
        reason: in one line.
    """

    suite: str
    kind: str
    file: str
    line: int
    watch: Literal["right", "wrong"]
    reason: str


class _File(msgspec.Struct, forbid_unknown_fields=True):
    judgement: tuple[Judgement, ...] = ()


def load_judgements(path: Path = FILE) -> dict[tuple[str, str, str, int], Judgement]:
    """Return the judgements, by what `key_of` says of a call."""
    stored = msgspec.toml.decode(path.read_bytes(), type=_File)
    return {(one.suite, one.kind, one.file, one.line): one for one in stored.judgement}


def key_of(suite: SuiteResult, call: Call) -> tuple[str, str, str, int]:
    """Return what names a call in the file of judgements."""
    return suite.name, call.kind, call.file, call.line


def tally(words: Iterable[str]) -> str:
    """Say how many calls were judged so.

    >>> tally(["right", "wrong", "right"]), tally(["not looked at"]), tally([])
    ('right 2, wrong 1', 'right 0, wrong 0, not looked at 1', '')
    """
    told = list(words)
    if not told:
        return ""
    rest = len(told) - told.count("right") - told.count("wrong")
    missing = f", not looked at {rest}" if rest else ""
    return f"right {told.count('right')}, wrong {told.count('wrong')}{missing}"
