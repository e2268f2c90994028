"""The table of output formats: a name, and the function that makes its text from runs and outcomes."""

import sys
from collections.abc import Callable, Mapping, Sequence

import msgspec

from harness.judge.finding import Outcome
from harness.record.schema import Run
from harness.report.exports import bencher, outcome_json, smaller_is_better
from harness.report.inert import escaped_json, printable, visible
from harness.report.junit import junit
from harness.report.screen import screen
from harness.report.summary import summary
from harness.report.text import many
from harness.report.verdict_text import outcome_text

_LISTED = 8  # rows of baselines that a gate prints; more are shown to who asks for them
_ROWS = 8  # of a gate's findings, three lines of a terminal each: with all else they fill one screen


def _json(item: object) -> str:
    return escaped_json(msgspec.json.format(msgspec.json.encode(item), indent=2).decode()) + "\n"


def _page(runs: Sequence[Run], outcomes: Sequence[Outcome]) -> str:
    if len(runs) == 1:
        from harness.report.page import run_page

        return run_page(runs[0])
    from harness.report.comparison_page import comparison_page

    return comparison_page(outcomes)


def _markdown(runs: Sequence[Run], outcomes: Sequence[Outcome]) -> str:
    text = summary(outcomes)
    if len(runs) == 1 and outcomes[0].door == "report":  # what was measured is all that there is to say
        lines = printable(screen(runs[0])).splitlines()
        text += "\n" + "".join(f"    {line}\n" for line in lines)
    return text


def _plot(runs: Sequence[Run], _outcomes: Sequence[Outcome]) -> str:
    from harness.report.picture import run_picture

    return run_picture(runs)


WRITERS: Mapping[str, Callable[[Sequence[Run], Sequence[Outcome]], str]] = {
    "markdown": _markdown,
    "html": _page,
    "plot": _plot,
    "junit": lambda _runs, outcomes: junit(outcomes),
    "json": lambda _runs, outcomes: _json(outcome_json(outcomes)),
    "bencher": lambda runs, _outcomes: _json(bencher(runs)),
    "smaller_is_better": lambda runs, _outcomes: _json(smaller_is_better(runs)),
}


def written(outcomes: Sequence[Outcome], form: str) -> str:
    """Return outcomes in one of the formats "text", "markdown", "json" and "junit"."""
    if form == "text":
        return "".join(outcome_text(outcome) for outcome in outcomes)
    return WRITERS[form]((), outcomes)


def gate_text(
    outcomes: Sequence[Outcome],
    changes: Mapping[str, Sequence[str]],
    command: str,
    *,
    verbose: bool = False,
) -> str:
    """Return what a gate prints: the outcomes, and what would replace rows of the baselines.

    Args:
        outcomes: of the runs.
        changes: rows that would be replaced, by the name of the baseline.
        command: what would write them; "" where it was written.
        verbose: print all findings, and all those rows.
    """
    most = sys.maxsize if verbose else max(1, _ROWS // len(outcomes))
    has_all = "" if verbose else "-v shows all"
    text = "".join(outcome_text(outcome, most, has_all) for outcome in outcomes)
    are_shown = verbose or sum(map(len, changes.values())) <= _LISTED
    for name, rows in changes.items():
        if rows and are_shown:
            text += "\n".join([f"\nreplacement in {visible(name)}.json:", *map(visible, rows), ""])
    if command and any(outcome.fails for outcome in outcomes):
        text += _offer(changes, command, "" if are_shown else "; -v shows them")
    return text


def _offer(changes: Mapping[str, Sequence[str]], command: str, hint: str) -> str:
    """Return the command that would write the rows that would replace others; "" where there are none."""
    new, old = (
        {
            (name, row[2:].rpartition(",")[0])
            for name, rows in changes.items()
            for row in rows
            if row[0] == sign
        }
        for sign in "+-"
    )
    gone = old - new
    if not new and not gone:
        return ""
    files = " and ".join(f"{visible(name)}.json" for name, rows in changes.items() if rows)
    told = [f"writes {many(len(new), 'row')} of {files}"] if new else []
    told += (
        [f"{'with --prune it ' if new else ''}drops what is gone, {many(len(gone), 'row')}"] if gone else []
    )
    whole = visible(command) + ("" if new else " --prune")
    return f"\nif that is meant, this {', '.join(told)}{hint}:\n  {whole}\n"
