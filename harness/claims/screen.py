"""Claims on a terminal: one with its evidence on one screen, or the list of many."""

import textwrap
from collections.abc import Sequence

from rich.cells import chop_cells

from harness.claims.language import Language, language
from harness.claims.record import Check, ClaimResult, ClaimsRun
from harness.report.inert import printable, visible
from harness.report.text import many, text_table

LINES = 40  # of a terminal's screen
_MARKS = {True: "yes", False: "no", None: "?"}


def claims_text(run: ClaimsRun, width: int = 80, *, verbose: bool = False) -> str:
    """Return what a session has to say as plain text of a width.

    Args:
        run: what was measured; one statement is shown with its evidence, several as a list.
        width: of the terminal.
        verbose: show everything, and not one screen of it.
    """
    words = language("en")
    if len(run.results) == 1:
        return _claim_screen(run.results[0], words, width, None if verbose else LINES - 2)
    counted = words.count([result.verdict for result in run.results])
    rows = [(result.id, result.verdict, _said(result, words)) for result in run.results]
    room = width - 4 - 12 - 2
    table = text_table(("id", "verdict", "statement"), rows, widths=(None, None, room))
    if verbose or len(table.splitlines()) <= LINES - 3:
        return f"{counted}\n\n{table}\n"
    return f"{counted}\n\n{_short(run.results, words, width)}\n"


def _said(result: ClaimResult, words: Language) -> str:
    conditions = [f"-> {before}{'; '.join(each)}" for before, each in words.conditions(result)]
    return "\n".join([result.statement, *conditions])


def _short(results: Sequence[ClaimResult], words: Language, width: int) -> str:
    """Return those that hold by their ids, and one line for each of the others."""
    holds = [result.id for result in results if result.verdict == "holds"]
    room = width - 18
    lines = textwrap.wrap(f"holds: {', '.join(holds)}", width) if holds else []
    others = [result for result in results if result.verdict != "holds"]
    for verdict in words.verdicts:
        for result in others:
            if result.verdict == verdict:
                statement = textwrap.shorten(result.statement, room, placeholder=" ...")
                lines.append(f"{result.id:<4}  {verdict:<10}  {visible(statement)}")
    return "\n".join([*lines, "", "One with its evidence: harness claims N5; all conditions: -v"])


def _claim_screen(result: ClaimResult, words: Language, width: int, limit: int | None) -> str:
    """Return a statement with its evidence; where not all of that fits, its conditions and a part of it."""
    lesson = result.lesson
    head = _paragraph("", f"{result.id}. {result.statement}", width)
    head += _chinese(lesson.statement, width) if lesson.statement else []
    if lesson.quote.zh:
        head += _chinese(f"{words.says}: 「{lesson.quote.zh}」", width)
        head += _paragraph("  in English: ", lesson.quote.en, width)
    head += ["", result.verdict]
    tail: list[str] = []
    said = ((words.why, lesson.why), (words.practice, lesson.practice), (words.fails, lesson.fails))
    for heading, both in said:
        tail += _paragraph(f"{heading}: ", both.en, width) if both.en else []
    if lesson.program:
        tail += ["", *(f"    {line}" for line in printable(lesson.program).splitlines())]
        tail += [f"    -> {line}" for line in printable(lesson.prints).splitlines()]
    room = None if limit is None else limit - len(head) - len(tail) - 1
    seen = _seen(result.checks, width)
    if result.reason or (room is not None and len(seen) > room):
        for before, conditions in words.conditions(result):
            head += _paragraph(f"  {before}", "; ".join(conditions), width)
        seen = _part_of(result.checks, width, max(2, (limit or 0) - len(head) - len(tail) - 2))
        seen = ["", *seen] if seen else []
    return "\n".join([*head, *seen, "", *tail]).rstrip("\n") + "\n"


def _chinese(text: str, width: int) -> list[str]:
    """Break Chinese anywhere; each of its characters is two columns wide."""
    return chop_cells(visible(text), width)


def _seen(checks: Sequence[Check], width: int) -> list[str]:
    return [line for check in checks for line in _check(check, width)]


def _check(check: Check, width: int) -> list[str]:
    says = f"{check.where}: {check.says}" if check.where else check.says
    return _paragraph(f"  {_MARKS[check.holds]:<3}  ", says, width)


def _part_of(checks: Sequence[Check], width: int, room: int) -> list[str]:
    """Return what was seen, as much as there is room for: one check of every condition and answer first."""
    first = {(check.where, check.holds): check for check in reversed(checks)}
    ordered = [check for check in checks if first[check.where, check.holds] is check]
    ordered += [check for check in checks if first[check.where, check.holds] is not check]
    lines: list[str] = []
    for number, check in enumerate(ordered):
        more = _check(check, width)
        if len(lines) + len(more) + 1 > room:
            return [*lines, f"  and {many(len(ordered) - number, 'more check')}: -v shows all"]
        lines += more
    return lines


def _paragraph(before: str, text: str, width: int) -> list[str]:
    return textwrap.wrap(
        visible(text),
        width,
        initial_indent=before,
        subsequent_indent=" " * min(len(before), 6),
        break_on_hyphens=False,
    )
