"""The languages that claims are written in: fixed words, and which of a lesson's texts are read."""

import tomllib
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from typing import Literal

import msgspec

from harness.claims.conclude import Ground, gathered, grounds
from harness.claims.record import Bilingual, ClaimResult, Plot

Name = Literal["en", "zh-CN"]


class _Answers(msgspec.Struct, frozen=True):
    """What stands before conditions under which a statement is true, false, or neither is known."""

    true: str
    false: str
    none: str


class Language(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The fixed words of a document of claims; those with braces are filled in."""

    title: str
    about: str
    quoted: str
    interval: str
    measured: str
    counted: str
    counted_part: str
    comma: str
    semicolon: str
    some: str
    colon: str
    interrupted: str
    id: str
    statement: str
    verdict: str
    says: str
    why: str
    practice: str
    fails: str
    program: str
    evidence: str
    again: str
    elsewhere: str
    answers: _Answers
    verdicts: dict[str, str]
    sections: dict[str, str]
    overviews: dict[str, str] = {}  # captions of the plots of several statements together, by name

    @property
    def is_english(self) -> bool:
        """Return whether statements and conditions are as they were measured, or translated."""
        return not self.sections

    def text(self, words: Bilingual) -> str:
        """Return a text in this language."""
        return words.en if self.is_english else words.zh

    def caption_of(self, overview: Plot) -> str:
        """Return the caption of a plot of several statements, in this language."""
        return self.overviews.get(overview.name, overview.caption)

    def statement_of(self, result: ClaimResult) -> str:
        """Return a statement in this language; in English where there is no translation."""
        return result.statement if self.is_english else result.lesson.statement or result.statement

    def count(self, verdicts: Sequence[str]) -> str:
        """Return how many statements got which verdict, in one line."""
        parts = [
            self.counted_part.format(count=verdicts.count(name), verdict=said)
            for name, said in self.verdicts.items()
            if name in verdicts
        ]
        return self.counted.format(count=len(verdicts), parts=self.comma.join(parts))

    def conditions(self, result: ClaimResult) -> list[tuple[str, list[str]]]:
        """Return the conditions of a verdict: what stands before them, and each, for every answer."""
        if result.reason:
            return [("", [result.reason])]
        if not result.condition:
            return []
        every = grounds(result.checks)
        rows = ((self.answers.true, True), (self.answers.false, False), (self.answers.none, None))
        said = [
            (before, self._gathered([ground for ground in every if ground.holds is holds], result))
            for before, holds in rows
        ]
        return [(before, conditions) for before, conditions in said if conditions]

    def _gathered(self, every: Sequence[Ground], result: ClaimResult) -> list[str]:
        said = gathered([self._condition(ground, result) for ground in every])
        # What is said together is parted as English has it.
        return (
            said if self.is_english else [one.replace(": ", self.colon).replace(", ", "、") for one in said]
        )

    def _condition(self, ground: Ground, result: ClaimResult) -> str:
        if self.is_english:
            return ground.words(self.some)
        known = dict(result.lesson.places)
        where = known.get(ground.where) or ": ".join(
            known.get(part, part) for part in ground.where.split(": ")
        )
        places = tuple(known.get(place, place) for place in ground.places)
        return replace(ground, where=where, places=places).words(self.some)


def language(name: Name) -> Language:
    """Return a language by its name."""
    data = (files("harness.claims") / "languages" / f"{name}.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(data), Language)
