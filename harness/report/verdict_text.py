"""An outcome for a terminal or a log: the verdict first, then a sentence a row."""

import sys

from harness.judge.causes import causes, free_counts, is_free_count
from harness.judge.finding import Finding, FindingState, Outcome
from harness.report.inert import visible
from harness.report.sentence import counts_line, sentence, verdict_line
from harness.report.text import many

_SHOWN = 20  # of the rows that say only what could not be seen


def _says_nothing(finding: Finding) -> bool:
    return not finding.fails and finding.state in (FindingState.UNDECIDED, FindingState.INCOMPARABLE)


def _change(finding: Finding) -> tuple[str, float]:
    return finding.metric, (finding.head or 0) - (finding.base or 0)


_HAS_ALL = "`harness report` with --html or --markdown has all"


def outcome_text(outcome: Outcome, most: int = sys.maxsize, has_all: str = _HAS_ALL) -> str:
    """Return an outcome as plain text; names are put on one line, and control characters are shown.

    Args:
        outcome: what was found.
        most: rows at most.
        has_all: what is said to show all rows; "" shows them here.
    """
    lines = [verdict_line([outcome]), f"{outcome.subject}: {counts_line([outcome])}"]
    lines += causes(outcome)
    lines += [f"note: {note}" for note in outcome.notes]
    unsaid = [finding for finding in outcome.findings if _says_nothing(finding)]
    alike = free_counts(outcome.findings)
    said = [finding for finding in outcome.findings if not _says_nothing(finding)]
    # What one sentence above says of many arms is not said again of each.
    alone = [
        finding for finding in said if not (has_all and is_free_count(finding) and _change(finding) in alike)
    ]
    lines += [sentence(finding) for finding in alone[:most]]
    if len(said) > len(alone[:most]):
        rest = len(said) - len(alone[:most])
        lines.append(f"{many(rest, 'more row')}; {has_all}")
    shown = _SHOWN if has_all else len(unsaid)
    lines += [sentence(finding) for finding in unsaid[:shown]]
    if len(unsaid) > shown:
        lines.append(f"{len(unsaid) - shown:,} more that are undecided or incomparable")
    return "\n".join(visible(line) for line in lines) + "\n"
