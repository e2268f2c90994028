"""A duel in words: the verdict first, then what differs in the environments, the times, the exact values."""

import os
from collections.abc import Iterable, Iterator, Sequence

from harness.judge.duel import Timed
from harness.judge.finding import Finding, Outcome
from harness.judge.verdict import Verdict
from harness.record.duel import Duel, DuelSide
from harness.report.answer import answer_of
from harness.report.exports import outcome_json
from harness.report.inert import markdown, visible
from harness.report.sentence import change_of, counts_line, sentence, verdict_line
from harness.report.summary import COMMENT_LIMIT, summary
from harness.report.text import folded, many, markdown_table, percent, text_table, width_of
from harness.report.units import quantity, ratio, whole

_MARKDOWN_ROWS = 60  # of the table of times; what changed is in the table above it
_EXACT_HEADERS = ("", "metric", "arm", "base", "head", "change")
_HEADERS = ("arm", "base", "head", "ratio", "verdict")


def duel_text(duel: Duel, outcome: Outcome, times: Sequence[Timed], width: int = 80) -> str:
    """Return a duel for a terminal."""
    lines = side_lines(duel)
    lines += [f"note: {visible(note)}" for note in outcome.notes]
    for case, rows in _by_case(times, duel.floor):
        lines += [
            "",
            visible(case),
            text_table(_HEADERS, rows, form="plain"),
        ]
    needed = [timed.judgement.units_to_decide for timed in times if timed.judgement.units_to_decide]
    if needed:
        span = f"{min(needed):,}" if min(needed) == max(needed) else f"{min(needed):,} to {max(needed):,}"
        lines += ["", f"what is undecided would take about {span} restarts"]
    rest = [finding for finding in outcome.findings if not is_time(finding, times)]
    lines += exact_lines([finding for finding in rest if finding.metric], width)
    lines += [visible(sentence(finding)) for finding in rest if not finding.metric]
    lines += ["", counts_line([outcome]), how(duel)]
    # The verdict stays on one line, for whoever reads the first line alone.
    short = (line if "\n" in line else folded(line, width) for line in lines)
    return "\n".join([headline(outcome, times), *short]) + "\n"


def exact_lines(findings: Sequence[Finding], width: int) -> list[str]:
    """Return the exact differences of every case: a row for all that differ alike, then why."""
    lines: list[str] = []
    for case in dict.fromkeys(finding.case for finding in findings):
        alike: dict[tuple[str, str, str, str], list[Finding]] = {}
        for finding in findings:
            if finding.case == case:
                cells = (
                    finding.state.value,
                    whole(finding.base, finding.unit),
                    whole(finding.head, finding.unit),
                    change_of(finding),
                )
                alike.setdefault(cells, []).append(finding)
        rows = [
            (
                state,
                _several(item.metric for item in items),
                _several(item.arm for item in items),
                base,
                head,
                change,
            )
            for (state, base, head, change), items in alike.items()
        ]
        lines += ["", f"exact: {visible(case)}"]
        table = text_table(_EXACT_HEADERS, rows, form="plain")
        if width_of(table) > width:
            short = [(*row[:-1], row[-1].partition(" (")[0]) for row in rows]
            table = text_table(_EXACT_HEADERS, short, form="plain")
        lines.append(table)
        why = dict.fromkeys(
            (item.metric, item.detail) for items in alike.values() for item in items if item.detail
        )
        lines += [visible(f"{metric}: {detail}") for metric, detail in why]
    return lines


def _several(names: Iterable[str]) -> str:
    return "\n".join(dict.fromkeys(visible(name) for name in names))


def headline(outcome: Outcome, times: Sequence[Timed]) -> str:
    """Return the one line that decides, with the largest change that was found in time."""
    changed = [
        (abs(timed.judgement.ratio - 1), timed.judgement.ratio, timed)
        for timed in times
        if timed.judgement.verdict in (Verdict.WORSE, Verdict.BETTER) and timed.judgement.ratio
    ]
    line = verdict_line([outcome])
    if not changed:
        return line
    _, furthest, far = max(changed, key=lambda item: item[0])
    return (
        f"{line}; furthest in time: {visible(far.case)}: {visible(far.arm)} {percent(furthest - 1, '+.1%')}"
    )


def side_lines(duel: Duel) -> list[str]:
    """Return a line a side: what it is and where it ran."""
    return [_side("base", duel.base), _side("head", duel.head)]


def _side(name: str, side: DuelSide) -> str:
    where = side.run.environment
    revision = f", commit {side.revision[:12]}" if side.revision else ""
    said = f"{name}: {side.given}: torch {where.torch} ({where.build}), Python {where.python}{revision}"
    is_told = os.sep in side.given and side.python.endswith(side.given.removeprefix("./"))
    return visible(said if is_told else f"{said}; {side.python}")


def how(duel: Duel) -> str:
    """Return how it was measured, in one line."""
    held = duel.restarts - len(duel.lost)
    pinned = f"pinned to core {duel.core}" if duel.core is not None else "not pinned"
    threads = duel.head.run.environment.threads
    return (
        f"{held} of {duel.restarts} restarts of both sides ({duel.start}), {pinned}, "
        f"{many(threads, 'thread')}, floor {100 * duel.floor:g} %, "
        f"{duel.head.run.environment.device}, {duel.seconds:.0f} s"
    )


def is_time(finding: Finding, times: Sequence[Timed]) -> bool:
    """Whether a finding is a row of the table of times."""
    return finding.metric in {timed.metric for timed in times} and finding.exists_twice


def _by_case(times: Sequence[Timed], floor: float) -> Iterator[tuple[str, list[tuple[str, ...]]]]:
    for case in dict.fromkeys(timed.case for timed in times):
        yield case, [time_row(timed, floor) for timed in times if timed.case == case]


def time_row(timed: Timed, floor: float) -> tuple[str, ...]:
    """Return the cells of one arm's time."""
    judgement = timed.judgement
    return (
        timed.arm,
        quantity(timed.base, "s"),
        quantity(timed.head, "s"),
        ratio(judgement.ratio),
        answer_of(judgement, floor),
    )


def duel_markdown(duel: Duel, outcome: Outcome, times: Sequence[Timed]) -> str:
    """Return a duel for a job summary: what changed first, all times folded."""
    rows = [(timed.case, *time_row(timed, duel.floor)) for timed in times]
    hidden = len(rows) - _MARKDOWN_ROWS
    more = f"\n\n{hidden:,} of {len(rows):,} rows are left out for length." if hidden > 0 else ""
    table = markdown_table(("case", *_HEADERS), rows[:_MARKDOWN_ROWS]) if rows else "nothing was timed"
    sides = "".join(f"- {markdown(line)}\n" for line in (*side_lines(duel), how(duel)))
    folded = f"\n<details><summary>All times</summary>\n\n{table}{more}\n\n</details>\n"
    return summary([outcome], COMMENT_LIMIT - len((sides + folded).encode()) - 2_000) + f"\n{sides}{folded}"


def duel_json(duel: Duel, outcome: Outcome, times: Sequence[Timed]) -> dict[str, object]:
    """Return a duel as plain data: what was found, the times judged, and the duel with all its samples."""
    return {**outcome_json([outcome]), "times": times, "duel": duel}
