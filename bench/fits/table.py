"""The benchmark of plans as a table."""

import statistics
from collections.abc import Iterable, Iterator
from pathlib import Path

from bench.fits.record import Exhausted, Fits, Race, load_fits
from bench.passes.table import steps_beyond
from harness.record.fit import FitSearch
from harness.report.document import Document, one_table
from harness.report.fit import cost, levers_in_words
from harness.report.inert import code, markdown
from harness.report.tables import environment_lines
from harness.report.text import markdown_table
from harness.report.units import quantity

_PLANS = ("model", "limit", "of its peak", "plan", "peak", "step", "runs", "passes", "took", "beyond 60 s")
_GIVEN_S = 60.0  # to start, to build, and to time
_SAID = ("model", "measured", "tool", "says", "off by", "how")
_EXHAUSTED = ("model", "limit", "plan", "peak", "fits", "combinations that fit")
_RACES = ("model", "limit", "plan", "fastest that fits", "plan over fastest", "scatter a round", "within 3 %")
_NEAR = 1.03  # of the fastest that fits

_FORMULA = """accelerate's is the formula of `accelerate estimate-memory` (huggingface/accelerate,
`src/accelerate/commands/estimate.py`): four times the weights, whatever the batch."""


def document(path: Path) -> Document:
    """Return the document of a file that `python -m bench.fits --json` wrote.

    Raises:
        HarnessError: the file cannot be read, or holds no plans.
    """
    fits = load_fits(path)
    name = f"fit{path.stem.removeprefix('fits')}"
    return one_table("plans of real models", name, lambda: fits_markdown(fits))


_BEYOND = """Beyond 60 s is what a search took more than that, in training steps of a plain loop of torch: the
same model, batch and thread, timed in the same run, the median of three steps before the searches and three
after."""

_RACING = """Plan over fastest is the ratio of their times: the median over the rounds in which both
were timed, with its 99 % interval. The fastest is chosen by the same rounds, which flatters it. Nothing
is frozen here."""


def fits_markdown(fits: Fits) -> str:
    """Return all tables and where they come from."""
    where = "  \n".join(
        [*map(markdown, environment_lines(fits.environment)), f"Measured by {code(fits.command)}."]
    )
    parts = ["# What fits, and what it costs", where]
    if fits.searches:
        parts += [
            "## Plans for shares of the untouched peak",
            markdown_table(_PLANS, list(_plans(fits))),
            _BEYOND,
        ]
        if errors := _errors(fits.searches):
            parts.append(
                f"Peaks added up from pieces, against {len(errors)} measured ones: median error"
                f" {statistics.median(errors):.2%}, largest {max(errors):.2%}."
            )
    if fits.said:
        parts += [
            "## What others say of the same step",
            markdown_table(_SAID, list(_said(fits))),
            _FORMULA,
        ]
    if fits.exhausted:
        parts += [
            "## Plans against every combination",
            markdown_table(_EXHAUSTED, list(_exhausted(fits.exhausted))),
        ]
    if raced := [one for one in fits.exhausted if one.race is not None]:
        parts += [
            "## Plans against the fastest combination that fits",
            markdown_table(_RACES, list(_races(raced))),
            _RACING,
        ]
    return "\n\n".join(parts) + "\n"


def _exhausted(rows: Iterable[Exhausted]) -> Iterator[list[str]]:
    for one in rows:
        yield [
            one.model,
            quantity(one.limit, "B"),
            one.plan,
            quantity(one.peak, "B"),
            "yes" if one.fits else "no",
            f"{one.fitting} of {one.combinations}",
        ]


def _races(rows: Iterable[Exhausted]) -> Iterator[list[str]]:
    for one in rows:
        if one.race is not None:
            yield [
                one.model,
                quantity(one.limit, "B"),
                one.plan,
                one.fastest,
                *race_in_words(one.race),
            ]


def race_in_words(race: Race) -> tuple[str, str, str]:
    """Return the ratio with its interval, the scatter of a round, and whether the plan is within 3 %.

    >>> race_in_words(Race(1.01, 0.99, 1.02, scatter=0.03, rounds=60))
    ('1.010 (0.990 to 1.020)', '3.0% of 60', 'yes')
    >>> race_in_words(Race(1.02, 0.98, 1.06, scatter=0.1, rounds=60))[2]
    'cannot be told apart'
    """
    if race.low is None or race.high is None:
        return f"{race.ratio:.3f}", f"{race.scatter:.1%} of {race.rounds}", "too few rounds"
    if race.low == race.high:
        return "1", "-", "yes: it is the fastest"
    told = f"{race.ratio:.3f} ({race.low:.3f} to {race.high:.3f})", f"{race.scatter:.1%} of {race.rounds}"
    if race.high <= _NEAR:
        return *told, "yes"
    if race.low > _NEAR:
        return *told, "no"
    return *told, "cannot be told apart" if race.low <= 1 else "undecided"


def _plans(fits: Fits) -> Iterator[list[str]]:
    for one in fits.searches:
        peak = one.untouched.peak or 0
        limit = one.limit or 0
        told = [one.target, quantity(limit, "B"), f"{limit / peak:.0%}" if peak else "-"]
        if one.plan is None:
            least = one.least
            told += [
                "nothing fits",
                "-" if least is None else f"least: {quantity(least.peak or 0, 'B')}",
                "-",
            ]
        else:
            told += [
                levers_in_words(one.plan.candidate, one),
                quantity(one.plan.peak or 0, "B"),
                cost(one.plan),
            ]
        step = fits.steps.get(one.target)
        beyond = f"{steps_beyond(one.took_s, step, _GIVEN_S):.1f} steps of {step:.2f} s" if step else "-"
        yield [*told, str(len(one.trials)), f"{one.passes:.0f}", f"{one.took_s:.0f} s", beyond]


def _errors(searches: tuple[FitSearch, ...]) -> list[float]:
    return [abs(trial.error) for one in searches for trial in one.trials if trial.error is not None]


def _said(fits: Fits) -> Iterator[list[str]]:
    peaks = {**{one.target: one.untouched.peak for one in fits.searches}, **fits.peaks}
    for said in fits.said:
        peak = peaks.get(said.model)
        known = said.bytes is not None and peak
        yield [
            said.model,
            quantity(peak, "B") if peak else "-",
            said.tool,
            quantity(said.bytes, "B") if said.bytes is not None else "nothing",
            f"{(said.bytes or 0) / peak - 1:+.1%}" if known and peak else "-",
            said.note,
        ]
