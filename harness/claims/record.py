"""The stored data of claims: each statement with its verdict, its checks, its numbers and its plots.

History of the format, newest first; a file once written loads for ever:

2  each statement has a lesson, in English and in Chinese; a check names its place apart from its condition
1  first format (version 0.1.0)
"""

from pathlib import Path
from typing import Literal

import msgspec

from harness.record.bounds import ImplausibleError, quoted
from harness.record.codec import UnreadableError, decoded, read_file
from harness.record.schema import Environment

CLAIMS_SCHEMA = 2

ClaimVerdict = Literal["holds", "holds when", "refuted", "undecided", "not run"]
Scale = Literal["linear", "log"]
Mark = Literal["line", "points", "bars"]


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at, and whether the statement was true there."""

    says: str  # what was looked at and what was seen
    holds: bool | None  # None where the samples do not decide
    where: str = ""  # the condition it was looked at under; "" for what the statement cannot do without
    place: str = ""  # which of several models or data sets, where the condition was looked at in several


class Number(msgspec.Struct, frozen=True, kw_only=True):
    """One measured quantity behind a verdict."""

    name: str
    value: float | None = None
    low: float | None = None  # of the interval, where there is one
    high: float | None = None
    unit: str = ""  # "s", "B", "1" (a count), "ratio", "share", or "" for a plain number
    text: str = ""  # in place of a value


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """One curve, set of points or set of bars, with an interval or a band where it has one."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    labels: tuple[str, ...] = ()  # a word beside each point
    mark: Mark = "line"


class Panel(msgspec.Struct, frozen=True, kw_only=True):
    """One pair of axes."""

    title: str
    x_label: str  # with its unit
    y_label: str
    series: tuple[Series, ...]
    x_scale: Scale = "linear"
    y_scale: Scale = "linear"
    ticks: tuple[str, ...] = ()  # names of the rows 0, 1, 2, ... where y counts categories
    line: float | None = None  # a value of x worth a rule, such as the ratio 1
    level: float | None = None  # a value of y worth a rule


class Plot(msgspec.Struct, frozen=True, kw_only=True):
    """One picture of one panel or a few side by side."""

    name: str  # of its file, without the ending
    caption: str
    panels: tuple[Panel, ...]
    shared: bool = True  # panels of one quantity have one range of it


class Bilingual(msgspec.Struct, frozen=True, kw_only=True):
    """The same text in two languages."""

    en: str = ""
    zh: str = ""


class Lesson(msgspec.Struct, frozen=True, kw_only=True):
    """What a statement teaches, beside what was measured."""

    statement: str = ""  # in Chinese
    quote: Bilingual = (
        Bilingual()
    )  # the notes' own words, which are Chinese, and a translation; "" where not at hand
    why: Bilingual = Bilingual()
    practice: Bilingual = Bilingual()  # what follows for practice
    fails: Bilingual = Bilingual()  # where it fails, or what it is mistaken for
    program: str = ""  # a few lines of Python that show it
    prints: str = ""  # what they printed in this session
    places: tuple[tuple[str, str], ...] = ()  # conditions of checks, in English and in Chinese
    captions: tuple[str, ...] = ()  # of the plots, in Chinese


class ClaimResult(msgspec.Struct, frozen=True, kw_only=True):
    """What putting one statement to the test gave."""

    id: str
    section: str
    statement: str
    verdict: ClaimVerdict
    condition: str = ""  # where it holds and where not, in words taken from the checks
    reason: str = ""  # why it was not run
    method: str = ""  # what was run, in a sentence or two
    checks: tuple[Check, ...] = ()
    numbers: tuple[Number, ...] = ()
    plots: tuple[Plot, ...] = ()
    lesson: Lesson = Lesson()
    reproduce: str = ""  # the command that measures it again
    seconds: float = 0.0  # that it took


class ClaimsRun(msgspec.Struct, frozen=True, kw_only=True):
    """All statements that one session put to the test."""

    schema: int = CLAIMS_SCHEMA
    environment: Environment
    seed: int
    seeds: int  # of the experiments with data
    budget: float  # seconds of timing for a pair
    results: tuple[ClaimResult, ...] = ()
    plots: tuple[Plot, ...] = ()  # of several statements together
    complete: bool = True  # False when statements that were asked for are missing
    command: str = ""


class _Version(msgspec.Struct):
    schema: int | None = None
    results: msgspec.Raw = msgspec.Raw()


def encode_claims(run: ClaimsRun) -> bytes:
    """Encode the results of a session as JSON."""
    return msgspec.json.format(msgspec.json.encode(run), indent=1)


def load_claims(path: Path) -> ClaimsRun:
    """Read the results of a session from a file.

    Raises:
        UnreadableError: it cannot be read, or holds no claims.
    """
    return decode_claims(read_file(path), str(path))


def decode_claims(data: bytes, name: str = "the file") -> ClaimsRun:
    """Decode what `encode_claims` wrote.

    Args:
        data: JSON text.
        name: what to call the file in a message.

    Raises:
        UnreadableError: not JSON, no results of claims, or a newer format.
    """
    version = decoded(data, _Version, name, "a file of claims")
    if version.schema is None or not bytes(version.results):
        raise UnreadableError(f"{name} holds no claims; `harness claims --json FILE` writes such a file")
    if version.schema > CLAIMS_SCHEMA:
        raise UnreadableError(
            f"{name} has format {version.schema}, newer than {CLAIMS_SCHEMA}, which is read here: "
            "upgrade autograd-harness"
        )
    return decoded(data, ClaimsRun, name, "a file of claims", check_claims)


def check_claims(run: ClaimsRun) -> None:
    """Check that what is drawn can be: points have both their numbers, and a logarithm where it is wanted.

    Raises:
        ImplausibleError: they have not.
    """
    for plot in (*run.plots, *(plot for result in run.results for plot in result.plots)):
        if not plot.panels:
            raise ImplausibleError(f"plot {quoted(plot.name)} has no panel")
        for panel in plot.panels:
            for series in panel.series:
                _check_series(series, panel, f"plot {quoted(plot.name)}, {quoted(series.name)}")


def _check_series(series: Series, panel: Panel, where: str) -> None:
    count = len(series.x)
    if len(series.y) != count or any(
        len(one) not in (0, count) for one in (series.low, series.high, series.labels)
    ):
        raise ImplausibleError(f"{where}: its points differ in number from their ends or labels")
    for scale, values in ((panel.x_scale, series.x), (panel.y_scale, series.y)):
        if scale == "log" and any(value <= 0 for value in values):
            raise ImplausibleError(f"{where}: a value on an axis of logarithms is not above 0")
