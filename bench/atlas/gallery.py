"""The atlas as one page to look through: its answer, its distribution, its surprises, all of it to sort."""

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources

from markupsafe import Markup

from bench.atlas.facts import Fact, fact_of, facts, knee_of, percent_at_least, trunk_bytes
from bench.atlas.plots import distributions
from bench.atlas.record import Atlas, Chart, Mode
from bench.atlas.surprises import Surprise, surprises
from bench.atlas.table import books, most_common_reasons, why_not
from harness.report.html import render
from harness.report.tables import environment_lines
from harness.report.text import many, percent
from harness.report.units import quantity

_SCRIPT = "gallery.js"
_MEASURES_CURVES = "python -m bench.atlas --again"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the table of all."""

    name: str
    meaning: str


_FIRST = (
    Column("architecture", "as its library builds it"),
    Column("library", "where it comes from"),
    Column("parameters", "bytes of the small model that was measured"),
    Column("spared, train", "by no_grad, of what is held when a forward pass has returned"),
    Column("of held", "the same as a share of what is held"),
)
_CURVE = (
    Column("trunk", "bytes saved in train mode that freezing all blocks spares"),
    Column("knee", "blocks to freeze until each further one spares much less"),
)
_LAST = (
    Column("saved, train", "bytes that the graph keeps for backward"),
    Column("peak, train", "the highest level of a forward pass"),
    Column("spared, eval", "by no_grad in eval mode"),
    Column("of held, eval", "the same as a share of what is held"),
    Column("books", "in the worse mode: whether what is held is accounted for to the byte"),
)


def gallery(atlas: Atlas) -> str:
    """Return the page; text from the record is shown and never interpreted."""
    measured = [chart for chart in atlas.charts if chart.is_measured]
    with_curves = any(chart.curve for chart in measured)
    script = resources.files("bench.atlas").joinpath("templates", _SCRIPT).read_text(encoding="utf-8")
    drawn = distributions(tuple(facts(measured, "train")))
    return render(
        "gallery.html",
        {
            "answer": answer(measured),
            "extent": extent(atlas),
            "missing": _missing(measured),
            "plots": [(caption, Markup(svg)) for caption, svg in drawn],  # noqa: S704 (made here)
            "surprises": _told(surprises(measured)),
            "columns": (*_FIRST, *(_CURVE if with_curves else ()), *_LAST),
            "rows": [_row(chart, with_curve=with_curves) for chart in measured],
            "not_measured": [
                (family, most_common_reasons(charts), [(each.subject.name, why_not(each)) for each in charts])
                for family, charts in _by_family(
                    chart for chart in atlas.charts if not chart.is_measured
                ).items()
            ],
            "runs": [
                (family, environment_lines(run.environment), run.command)
                for family, run in atlas.runs.items()
            ],
            "script": Markup(script),  # noqa: S704 (a file of this package)
            "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        },
        package="bench.atlas",
    )


def answer(charts: Sequence[Chart]) -> str:
    """Return what the atlas found, in a sentence or two."""
    shares = sorted(fact.share for fact in facts(charts, "train"))
    if not shares:
        return "No architecture here was held against no_grad in train mode."
    nothing = sum(share <= 0 for share in shares)
    are = "is" if nothing == 1 else "are"
    spared = f"; {many(nothing, 'architecture')} {are} spared nothing" if nothing else ""
    half, most = (percent_at_least(shares[len(shares) // part]) for part in (2, 10))
    return (
        "Of what a forward pass in train mode holds when it has returned, no_grad spares at least"
        f" {half} in half of {many(len(shares), 'architecture')}, and at least {most} in nine of ten{spared}."
    )


def extent(atlas: Atlas) -> tuple[str, ...]:
    """Say of each family how many were charted and measured, and how many have not been tried yet."""
    told = []
    by_family = _by_family(atlas.charts)
    for family in dict.fromkeys((*atlas.runs, *by_family)):
        charts = by_family.get(family, [])
        offered = atlas.runs[family].offered if family in atlas.runs else 0
        measured = sum(chart.is_measured for chart in charts)
        of = f" of {offered:,}" if offered else ""
        line = f"{family}: {len(charts):,}{of} charted, {measured:,} measured"
        rest = offered - len(charts)
        if rest > 0:
            line += f"; {rest:,} not tried yet, and the same command goes on with them"
        elif not offered:
            line += "; how many the library has is not in the record"
        told.append(f"{line}.")
    return tuple(told) or ("Nothing is charted yet.",)


def _missing(charts: Sequence[Chart]) -> tuple[str, ...]:
    told = []
    curves = sum(bool(chart.curve) for chart in charts)
    if not curves:
        told.append(
            "Not here: what the trunk holds, and the knee of freezing. The record has no curves;"
            f" {_MEASURES_CURVES} takes them."
        )
    elif curves < len(charts):
        reasons = Counter(_why_no_curve(chart) for chart in charts if not chart.curve)
        listed = "; ".join(f"{reason} ({count:,})" for reason, count in reasons.most_common())
        told.append(f"Freezing was tried on {curves:,} of {len(charts):,}; the others have a dash: {listed}.")
    compared = sum(1 for _ in facts(charts, "train"))
    if compared < len(charts):
        told.append(
            f"{len(charts) - compared:,} of {len(charts):,} have no share in train mode: they do not run in"
            " it or not under no_grad, or no two calls are alike."
        )
    return tuple(told)


def _told(each: Sequence[Surprise]) -> list[tuple[str, str, str, str]]:
    return [
        (surprise.chart.subject.name, surprise.what, _sentence(surprise.why), surprise.again)
        for surprise in each
    ]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].removesuffix(".")


def _by_family(charts: Iterable[Chart]) -> dict[str, list[Chart]]:
    families: dict[str, list[Chart]] = {}
    for chart in charts:
        families.setdefault(chart.subject.family, []).append(chart)
    return families


def _why_no_curve(chart: Chart) -> str:
    """Return why freezing was not tried, without what differs between models.

    >>> from bench.atlas.record import Subject
    >>> _why_no_curve(Chart(subject=Subject("timm", "x"), no_curve="WorkloadError: has 24 blocks; name them"))
    'has more blocks'
    """
    reason = chart.no_curve or "charted before curves were taken"
    return re.sub(r"\d+ blocks", "more blocks", reason.rpartition("Error: ")[2].partition(";")[0])


def _row(chart: Chart, *, with_curve: bool) -> tuple[str, ...]:
    train, trained = _spared(chart, "train")
    spared, evaluated = _spared(chart, "eval")
    fact = fact_of(chart, "train")
    trunk = trunk_bytes(chart)
    curve = ("-" if trunk is None else quantity(trunk, "B"), knee_of(chart)) if with_curve else ()
    return (
        chart.subject.name,
        chart.subject.family,
        quantity(chart.size, "B"),
        train,
        trained,
        *curve,
        *_saved_and_peak(fact),
        spared,
        evaluated,
        _books(chart),
    )


def _saved_and_peak(fact: Fact | None) -> tuple[str, str]:
    if fact is None:
        return "-", "-"
    return quantity(fact.reading.saved, "B"), quantity(fact.reading.peak, "B")


def _spared(chart: Chart, mode: Mode) -> tuple[str, str]:
    fact = fact_of(chart, mode)
    return ("-", "-") if fact is None else (quantity(fact.spared, "B"), percent(fact.share, ".1%"))


def _books(chart: Chart) -> str:
    worst = next((reading for reading in chart.readings if reading.state == chart.state), None)
    return books(worst) if worst else "-"
