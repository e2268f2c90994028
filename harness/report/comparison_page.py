"""Outcomes as one self-contained HTML page: the verdict, the counts, every row. All text is escaped."""

from collections.abc import Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined

from harness.judge.finding import Finding, Outcome
from harness.report import reproduce
from harness.report.sentence import change_of, counts_line, value_of, verdict_line


def comparison_page(outcomes: Sequence[Outcome]) -> str:
    """Return outcomes as a page that fetches nothing."""
    return rendered("comparison.html", outcomes, verdict=verdict_line(outcomes))


def rendered(template: str, outcomes: Sequence[Outcome], **more: object) -> str:
    """Return outcomes in one of the templates that extend the comparison's."""
    environment = Environment(
        loader=PackageLoader("harness.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template(template).render(
        **more,
        counts=counts_line(outcomes),
        fails=any(outcome.fails for outcome in outcomes),
        outcomes=[
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
    )


def _row(finding: Finding) -> dict[str, str]:
    return {
        "state": finding.state.value,
        "fails": "fails" if finding.fails else "",
        "case": finding.case,
        "arm": finding.arm,
        "metric": finding.metric,
        "meaning": finding.meaning,
        "base": value_of(finding.base, finding.unit),
        "head": value_of(finding.head, finding.unit),
        "change": change_of(finding),
        "detail": finding.detail,
    }
