"""Claims as what people see: documents in markdown in two languages, their plots, one page of HTML."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from harness.claims.evidence import number_text, row_of
from harness.claims.language import Language, language
from harness.claims.markdown import claims_markdown
from harness.claims.plots import plot_element, plot_file
from harness.claims.record import ClaimResult, ClaimsRun, Plot, load_claims
from harness.report.document import Document
from harness.report.html import render
from harness.report.inert import file_name
from harness.report.tables import environment_lines

_CHINESE = "claims.zh-CN.md"


def document(path: Path) -> Document:
    """Return the document of a file that `harness claims --json` wrote.

    Raises:
        UnreadableError: the file cannot be read, or holds no claims.
    """
    run = load_claims(path)
    return Document(
        "claims",
        {"markdown": lambda: claims_markdown(run, language("en")), "html": lambda: claims_page(run)},
        lambda: claims_tables(run),
    )


def claims_tables(run: ClaimsRun) -> dict[str, str]:
    """Return the documents in markdown, English and Chinese, and their plots, by their paths."""
    plots = {f"claims/{file_name(plot.name)}.svg": plot_file(plot) for plot in plots_of(run)}
    return {
        **plots,
        "claims.md": claims_markdown(run, language("en")),
        _CHINESE: claims_markdown(run, language("zh-CN")),
    }


def plots_of(run: ClaimsRun) -> tuple[Plot, ...]:
    """Return all plots of a run, in order."""
    return (*(plot for result in run.results for plot in result.plots), *run.plots)


@dataclass(frozen=True, slots=True)
class _Part:
    """One statement as the page shows it."""

    result: ClaimResult
    conditions: list[tuple[str, list[str]]]
    words: tuple[tuple[str, str], ...]  # a heading and a text
    checks: tuple[tuple[str, str, str], ...]
    numbers: tuple[tuple[str, str], ...]
    plots: tuple[tuple[str, Markup], ...]  # caption, SVG


def claims_page(run: ClaimsRun) -> str:
    """Return one self-contained HTML page that fetches nothing."""
    words = language("en")
    sections: Mapping[str, list[ClaimResult]] = {}
    for result in run.results:
        sections = {**sections, result.section: [*sections.get(result.section, []), result]}
    return render(
        "claims.html",
        {
            "words": words,
            "about": f"{words.about} {words.quoted}".replace("*", "").replace("`", ""),
            "counted": words.count([result.verdict for result in run.results]),
            "run": run,
            "environment": environment_lines(run.environment),
            "sections": [
                (
                    name,
                    [_inline(plot) for plot in overviews(run, results)],
                    [_part(r, words) for r in results],
                )
                for name, results in sections.items()
            ],
        },
        "harness.claims",
    )


def overviews(run: ClaimsRun, results: Sequence[ClaimResult]) -> list[Plot]:
    """Return the plots of a section's statements together."""
    return [plot for plot in run.plots if any(result.id.startswith(plot.name) for result in results)]


def _part(result: ClaimResult, words: Language) -> _Part:
    lesson = result.lesson
    said = ((words.why, lesson.why), (words.practice, lesson.practice), (words.fails, lesson.fails))
    return _Part(
        result,
        words.conditions(result),
        tuple((heading, text) for heading, both in said if (text := words.text(both))),
        tuple(row_of(check) for check in result.checks),
        tuple((number.name, number_text(number)) for number in result.numbers),
        tuple(_inline(plot) for plot in result.plots),
    )


def _inline(plot: Plot) -> tuple[str, Markup]:
    return plot.caption, Markup(plot_element(plot))  # noqa: S704 (drawn here, from escaped text)
