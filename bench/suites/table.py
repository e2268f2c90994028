"""Suites with the watch and without as a table, beside what reading each listed line came to."""

import math
from collections.abc import Iterator
from pathlib import Path

from bench.suites.judgements import Judgement, key_of, load_judgements, tally
from bench.suites.record import Pair, SuiteResult, Suites, Timing, load_suites
from harness.judge.interval import layout_interval, log_ratios, middle
from harness.judge.verdict import ALPHA
from harness.report.document import Document, one_table
from harness.report.inert import code, markdown
from harness.report.tables import environment_lines
from harness.report.text import many, markdown_table
from harness.report.units import quantity, ratio_with_interval

_SUITES = ("suite", "tests", "passed", "failed", "skipped", "end otherwise", "lines listed", "judged")
_CALLS = ("suite", "line", "what the watch says", "it advises", "judged", "because")
_TIMES = (
    "suite",
    "pairs",
    "processor: with / without",
    "clock: with / without",
    "without",
    "least, most",
)
_UNJUDGED = "not looked at"
_TOLD = """Tests as they lie in source packages on PyPI, run offline and in one thread, without the flag and
with it. A test that ends otherwise with the flag would be named below. Each line that the watch listed was
read, with its test: *right* is a graph that is recorded for nothing, or training that does what the watch
says it does."""
_PAIRED = """Whole sessions of pytest, in pairs, one without the flag and one with it; chance decides which
comes first. Ratios are medians, with intervals that miss one time in a hundred. *Least, most* are of single
pairs, by the processor."""

_Judgements = dict[tuple[str, str, str, int], Judgement]


def document(path: Path) -> Document:
    """Return the document of a file that `python -m bench.suites --json` wrote.

    Raises:
        HarnessError: the file cannot be read, or holds no suites.
    """
    suites = load_suites(path)
    return one_table("suites with the watch and without", "suites", lambda: suites_markdown(suites))


def suites_markdown(suites: Suites) -> str:
    """Return all tables and where they come from."""
    judgements = load_judgements()
    where = "  \n".join(
        [*map(markdown, environment_lines(suites.environment)), f"Ran by {code(suites.command)}."]
    )
    parts = [
        "# Other people's tests with `--harness-watch`",
        where,
        _TOLD,
        f"**{_sum(suites, judgements)}**",
        markdown_table(_SUITES, [_suite(one, judgements) for one in suites.suites]),
        *_tests(suites),
    ]
    if others := list(_differences(suites)):
        names = ("suite", "test", "without", "with")
        parts += ["## Tests that end otherwise", markdown_table(names, others)]
    if calls := list(_calls(suites, judgements)):
        parts += ["## Every line that was listed", markdown_table(_CALLS, calls)]
    if suites.watched_time is not None:
        parts += _times(suites.watched_time)
    return "\n\n".join(parts) + "\n"


def _word(judgements: _Judgements, key: tuple[str, str, str, int]) -> str:
    one = judgements.get(key)
    return _UNJUDGED if one is None else one.watch


def _sum(suites: Suites, judgements: _Judgements) -> str:
    tests = sum(sum(one.outcomes.values()) for one in suites.suites)
    other = sum(len(one.differences) for one in suites.suites)
    words = [_word(judgements, key_of(one, call)) for one in suites.suites for call in one.calls]
    said = tally(words)
    packages = many(len(suites.suites), "package")
    listed = f"{many(len(words), 'line')} listed: {said}" if words else "no line listed"
    return f"{tests:,} tests of {packages}; {other:,} end otherwise with the flag; {listed}."


def _suite(one: SuiteResult, judgements: _Judgements) -> list[str]:
    outcomes = one.outcomes
    passed, skipped = outcomes.get("passed", 0), outcomes.get("skipped", 0)
    tests = sum(outcomes.values())
    return [
        one.name,
        f"{tests:,}",
        f"{passed:,}",
        f"{tests - passed - skipped:,}",
        f"{skipped:,}",
        f"{len(one.differences):,}",
        f"{len(one.calls):,}",
        tally(_word(judgements, key_of(one, call)) for call in one.calls) or "-",
    ]


def _tests(suites: Suites) -> Iterator[str]:
    if suites.suites:
        yield "\n".join(f"- {_told(one)}" for one in suites.suites)


def _told(one: SuiteResult) -> str:
    note = f" ({markdown(one.note)})" if one.note else ""
    stopped = "".join(f"; the watch is not complete: {markdown(each)}" for each in one.stopped)
    return f"{markdown(one.name)}: {', '.join(map(code, one.tests))}{note}{stopped}"


def _differences(suites: Suites) -> Iterator[list[str]]:
    for one in suites.suites:
        for each in one.differences:
            yield [one.name, each.test, ", ".join(each.without), ", ".join(each.with_flag)]


def _calls(suites: Suites, judgements: _Judgements) -> Iterator[list[str]]:
    for one in suites.suites:
        for call in one.calls:
            judgement = judgements.get(key_of(one, call))
            more = f" and {call.tests - 1:,} more" if call.tests > 1 else ""
            yield [
                one.name,
                f"{call.file}:{call.line} in {call.function}, by {call.test}{more}",
                call.says,
                call.remedy,
                _word(judgements, key_of(one, call)),
                "-" if judgement is None else judgement.reason,
            ]


def _times(timing: Timing) -> Iterator[str]:
    yield "## Time with the flag"
    yield "  \n".join(
        [*map(markdown, environment_lines(timing.environment)), f"Timed by {code(timing.command)}."]
    )
    yield _PAIRED
    names = dict.fromkeys(pair.suite for pair in timing.pairs)
    rows = [_time(name, [pair for pair in timing.pairs if pair.suite == name]) for name in names]
    yield markdown_table(_TIMES, rows)


def _time(name: str, pairs: list[Pair]) -> list[str]:
    ratios = [pair.processor[1] / pair.processor[0] for pair in pairs]
    without = sorted(pair.processor[0] for pair in pairs)
    return [
        name,
        f"{len(pairs):,}",
        paired_ratio([pair.processor for pair in pairs]),
        paired_ratio([pair.wall for pair in pairs]),
        quantity(without[len(without) // 2], "s"),
        f"{min(ratios):.3f}, {max(ratios):.3f}",
    ]


def paired_ratio(pairs: list[tuple[float, float]]) -> str:
    """Return the median ratio of the second to the first, with its interval where there are pairs enough.

    >>> paired_ratio([(1.0, 1.1)] * 8), paired_ratio([(2.0, 2.0)])
    ('1.100 [1.100, 1.100]', '1.000')
    """
    values = log_ratios([[one] for one, _ in pairs], [[other] for _, other in pairs], "round")
    interval = layout_interval(values, ALPHA)
    ends = (None, None) if interval is None else (math.exp(interval.low), math.exp(interval.high))
    return ratio_with_interval(math.exp(middle(values)), *ends)
