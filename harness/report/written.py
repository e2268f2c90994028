"""The table of output formats: a name, and the function that makes its text from runs and outcomes."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from harness.judge.finding import Outcome
from harness.record.schema import Run
from harness.report.exports import bencher, outcome_json, smaller_is_better
from harness.report.inert import escaped_json, visible
from harness.report.junit import junit
from harness.report.summary import summary
from harness.report.verdict_text import outcome_text

_LISTED = 8  # rows of all replacements that are printed; an update writes all
_ROWS = 20  # of a gate's findings, so that with all else it prints 40 lines at most


def _json(item: object) -> str:
    return escaped_json(msgspec.json.format(msgspec.json.encode(item), indent=2).decode()) + "\n"


def _page(runs: Sequence[Run], outcomes: Sequence[Outcome]) -> str:
    if len(runs) == 1:
        from harness.report.page import run_page

        return run_page(runs[0])
    from harness.report.comparison_page import comparison_page

    return comparison_page(outcomes)


def _plot(runs: Sequence[Run], _outcomes: Sequence[Outcome]) -> str:
    from harness.report.picture import run_picture

    return run_picture(runs)


WRITERS: Mapping[str, Callable[[Sequence[Run], Sequence[Outcome]], str]] = {
    "markdown": lambda _runs, outcomes: summary(outcomes),
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


def gate_text(outcomes: Sequence[Outcome], changes: Mapping[str, Sequence[str]]) -> str:
    """Return what a gate prints: the outcomes, then the rows that would replace the baselines' own."""
    text = "".join(outcome_text(outcome, _ROWS // len(outcomes)) for outcome in outcomes)
    for name, rows in changes.items():
        if not rows:
            continue
        listed = [visible(row) for row in rows[: max(1, _LISTED // len(changes))]]
        if len(rows) > len(listed):
            listed.append(f"... and {len(rows) - len(listed):,} more")
        text += "\n".join([f"\nreplacement in {visible(name)}.json:", *listed, ""])
    if any(outcome.fails for outcome in outcomes) and changes:
        text += (
            "\nif that is meant, `harness gate RUN.json --update` writes it (--prune drops what is gone)\n"
        )
    return text
