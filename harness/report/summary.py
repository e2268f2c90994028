"""Markdown for a job summary and a pull request: the verdict, the counts, what changed, the rest folded.

Text from run files is shown and never interpreted: it makes no markup, no mention and no link.
"""

from collections.abc import Iterator, Sequence

from harness.judge.causes import causes
from harness.judge.finding import Finding, FindingState, Outcome
from harness.report import reproduce
from harness.report.inert import code, markdown, markdown_cell
from harness.report.sentence import change_of, counts_line, verdict_line
from harness.report.text import many
from harness.report.units import whole

COMMENT_LIMIT = 65_536  # bytes of a pull request's comment on GitHub; a job summary takes 1 MiB
_MARGIN = 1_536  # for what an action puts around it
_LONGEST = 160  # characters of a name or a reason in a table


def summary(outcomes: Sequence[Outcome], limit: int = COMMENT_LIMIT - _MARGIN) -> str:
    """Return the report of one run or several, in at most `limit` bytes.

    Where it would be longer, whole rows are left out, and a line says how many: first of what is folded,
    then of the table, its last rows first.
    """
    head = f"### {markdown(verdict_line(outcomes))}\n"
    if any(outcome.findings or outcome.equal for outcome in outcomes):
        head += f"\n{markdown(counts_line(outcomes))}\n"
    told = [cause for outcome in outcomes for cause in causes(outcome)]
    head += "".join(f"\n**{markdown(cause)}**\n" for cause in dict.fromkeys(told))
    notes = "".join(
        f"\n- {markdown(note)}"
        for note in dict.fromkeys(note for outcome in outcomes for note in outcome.notes)
    )
    head += notes + "\n" if notes else ""
    changed = [
        (outcome, finding) for outcome in outcomes for finding in outcome.findings if _is_shown(finding)
    ]
    changed.sort(key=lambda pair: pair[1].order)
    several = len(outcomes) > 1
    rows = [_row(finding, outcome.subject if several else "") for outcome, finding in changed]
    headers = (*(("run",) if several else ()), "", "case", "arm", "metric", "base", "head", "change", "what")
    parts = [head, _fitting_table(headers, rows, limit - len(head.encode()) - 400)]
    for title, lines in _folded(outcomes):
        room = limit - sum(len(part.encode()) for part in parts)
        parts.append(_fold(title, lines, room))
    return "".join(parts)


def _is_shown(finding: Finding) -> bool:
    return finding.fails or finding.state in (FindingState.BETTER, FindingState.NEW, FindingState.CHANGED)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _row(finding: Finding, subject: str) -> tuple[str, ...]:
    """Return a row's cells, escaped; numbers do not break before their unit."""
    names = (finding.state.value, finding.case, finding.arm, finding.metric)
    numbers = (
        whole(finding.base, finding.unit),
        whole(finding.head, finding.unit),
        change_of(finding),
    )
    return (
        *(markdown_cell(_short(cell)) for cell in ((subject, *names) if subject else names)),
        *(markdown_cell(number).replace(" ", "&nbsp;") for number in numbers),
        markdown_cell(_short(finding.detail or finding.meaning)),
    )


def _fitting_table(headers: Sequence[str], rows: Sequence[tuple[str, ...]], room: int) -> str:
    """Return as much of a table as there is room for, and what was left out."""
    if not rows:
        return ""
    lines = [f"| {' | '.join(headers)} |", f"|{'---|' * len(headers)}"]
    used = sum(len(line.encode()) + 1 for line in lines)
    for number, row in enumerate(rows):
        line = f"| {' | '.join(row)} |"
        used += len(line.encode()) + 1
        if used > room:
            hidden = len(rows) - number
            return (
                "\n"
                + "\n".join(lines)
                + f"\n\n{hidden:,} of {len(rows):,} changed rows are left out for length.\n"
            )
        lines.append(line)
    return "\n" + "\n".join(lines) + "\n"


def _folded(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, list[str]]]:
    """Yield the title and the lines of each folded list; the lines are markdown."""
    again = list(dict.fromkeys(line for outcome in outcomes for line in _reproduction(outcome)))
    if again:
        yield "How to reproduce each case", again
    rest = [_rest(finding) for outcome in outcomes for finding in outcome.findings if not _is_shown(finding)]
    equal = [
        markdown(f"{case}: {many(count, 'exact value')} equal")
        for outcome in outcomes
        for case, count in outcome.equal.items()
    ]
    if rest or equal:
        yield "The rest", [*rest, *equal]
    about = [
        line for outcome in outcomes for line in (outcome.subject, *outcome.environment, outcome.command)
    ]
    yield "What was measured where", [markdown(line) for line in dict.fromkeys(about) if line]


def _reproduction(outcome: Outcome) -> Iterator[str]:
    shown = {finding.case for finding in outcome.findings if _is_shown(finding)}
    for case, line in reproduce.commands(outcome):
        if case in shown:
            yield f"{markdown(case)}<br>{code(line)}"


def _rest(finding: Finding) -> str:
    parts = (
        finding.state.value,
        finding.case,
        finding.arm,
        finding.metric,
        change_of(finding),
        finding.detail,
    )
    return markdown(_short(" / ".join(part for part in parts if part)))


def _fold(title: str, lines: Sequence[str], room: int) -> str:
    """Return a folded list, of as many lines as there is room for."""
    before, after = f"\n<details><summary>{title}</summary>\n\n", "\n</details>\n"
    used = len((before + after).encode()) + 100
    if used > room:
        return ""
    items: list[str] = []
    for line in lines:
        item = f"- {line}\n"
        used += len(item.encode())
        if used > room:
            items.append(f"- {len(lines) - len(items):,} of {len(lines):,} lines are left out for length\n")
            break
        items.append(item)
    return before + "".join(items) + after
