"""The document of claims in markdown, in one language."""

from itertools import zip_longest

from harness.claims.evidence import number_text, row_of
from harness.claims.language import Language
from harness.claims.record import ClaimResult, ClaimsRun, Plot
from harness.report.inert import code, code_block, file_name, markdown
from harness.report.tables import environment_lines
from harness.report.text import markdown_table, markdown_text_table


def claims_markdown(run: ClaimsRun, words: Language, folder: str = "claims") -> str:
    """Return the document: the table of all statements, then each with what it teaches and its evidence.

    Args:
        run: what was measured.
        words: the language; the checks and numbers behind a verdict are in the English one alone.
        folder: where the plots lie, seen from the document.
    """
    measured = words.measured.format(command=code(run.command), seeds=run.seeds, budget=f"{run.budget:g}")
    counted = words.count([result.verdict for result in run.results])
    lines = [f"# {words.title}", "", words.about, "", words.quoted, ""]
    lines += [words.elsewhere, ""] if words.elsewhere else []
    lines += [f"{markdown(line)}  " for line in environment_lines(run.environment)]
    lines += [measured, "", f"**{counted}**", "", words.interval, ""]
    if not run.complete:
        lines += [f"**{words.interrupted}**", ""]
    rows = [row for result in run.results for row in _summary(result, words)]
    lines += [markdown_text_table((words.id, words.verdict, words.statement), rows), ""]
    section = None
    for result in run.results:
        if result.section != section:
            section = result.section
            lines += [f"## {markdown(words.sections.get(section, section))}", ""]
            for plot in run.plots:
                if result.id.startswith(plot.name):
                    lines += _picture(plot, words.caption_of(plot), folder)
        lines += _statement(result, words, folder)
    return "\n".join(lines).rstrip() + "\n"


def _summary(result: ClaimResult, words: Language) -> list[tuple[str, str, str]]:
    conditions = [
        ("", "", f"- {before}{words.semicolon.join(each)}") for before, each in words.conditions(result)
    ]
    verdict = words.verdicts.get(result.verdict, result.verdict)
    return [(result.id, verdict, words.statement_of(result)), *conditions]


def _statement(result: ClaimResult, words: Language, folder: str) -> list[str]:
    lesson = result.lesson
    lines = [f"### {markdown(result.id)}. {markdown(words.statement_of(result))}", ""]
    if lesson.statement and words.is_english:
        lines += [markdown(lesson.statement), ""]
    if lesson.quote.zh:
        translation = f" ({markdown(lesson.quote.en)})" if words.is_english else ""
        lines += [f"{words.says}{words.colon}「{markdown(lesson.quote.zh)}」{translation}", ""]
    lines += [f"**{words.verdicts.get(result.verdict, result.verdict)}**", ""]
    conditions = [f"- {before}{markdown(one)}" for before, each in words.conditions(result) for one in each]
    lines += [*conditions, ""] if conditions else []
    said = ((words.why, lesson.why), (words.practice, lesson.practice), (words.fails, lesson.fails))
    for heading, both in said:
        if text := words.text(both):
            lines += [f"**{heading}**{words.colon}{markdown(text)}", ""]
    if lesson.program:
        lines += [f"{words.program}{words.colon.rstrip()}", ""]
        lines += [code_block(lesson.program.splitlines(), "python"), ""]
        lines += [code_block(lesson.prints.splitlines(), "text"), ""]
    for plot, caption in zip_longest(result.plots, () if words.is_english else lesson.captions):
        if plot is not None:
            lines += _picture(plot, caption or plot.caption, folder)
    return [*lines, *_evidence(result, words)]


def _picture(plot: Plot, caption: str, folder: str) -> list[str]:
    return [
        f"![{markdown(caption)}]({folder}/{file_name(plot.name)}.svg)",
        "",
        f"*{markdown(caption)}*",
        "",
    ]


def _evidence(result: ClaimResult, words: Language) -> list[str]:
    again = words.again.format(command=code(result.reproduce), seconds=f"{result.seconds:.0f}")
    if not words.is_english:
        return [again, ""]
    lines = [f"<details><summary>{words.evidence}</summary>", "", f"{markdown(result.method)} {again}", ""]
    if result.checks:
        rows = [row_of(check) for check in result.checks]
        lines += [markdown_text_table(("true", "where", "seen"), rows), ""]
    if result.numbers:
        values = [(number.name, number_text(number)) for number in result.numbers]
        lines += [markdown_table(("quantity", "value"), values), ""]
    return [*lines, "</details>", ""]
