"""Outcomes as one self-contained HTML page: the verdict, the counts, every row. All text is escaped."""

from collections.abc import Sequence

from harness.judge.finding import Finding, Outcome
from harness.report import reproduce
from harness.report.html import render
from harness.report.sentence import change_of, counts_line, verdict_line
from harness.report.units import whole


def comparison_page(outcomes: Sequence[Outcome]) -> str:
    """Return outcomes as a page that fetches nothing."""
    return rendered("comparison.html", outcomes, verdict=verdict_line(outcomes))


def rendered(template: str, outcomes: Sequence[Outcome], **more: object) -> str:
    """Return outcomes in one of the templates that extend the comparison's."""
    return render(
        template,
        {
            **more,
            "counts": counts_line(outcomes),
            "fails": any(outcome.fails for outcome in outcomes),
            "outcomes": [
                {
                    "subject": outcome.subject,
                    "notes": outcome.notes,
                    "about": [line for line in (*outcome.environment, outcome.command) if line],
                    "rows": [_row(finding) for finding in outcome.findings],
                    "equal": list(outcome.equal.items()),
                    "again": list(reproduce.commands(outcome)),
                }
                for outcome in outcomes
            ],
        },
    )


def _row(finding: Finding) -> dict[str, str]:
    return {
        "state": finding.state.value,
        "fails": "fails" if finding.fails else "",
        "case": finding.case,
        "arm": finding.arm,
        "metric": finding.metric,
        "meaning": finding.meaning,
        "base": whole(finding.base, finding.unit),
        "head": whole(finding.head, finding.unit),
        "change": change_of(finding),
        "detail": finding.detail,
    }
