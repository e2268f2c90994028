"""An outcome for a terminal or a log: the verdict first, then a sentence a row."""

import sys

from harness.judge.causes import causes
from harness.judge.finding import Finding, FindingState, Outcome
from harness.report.inert import visible
from harness.report.sentence import counts_line, sentence, verdict_line

_SHOWN = 20  # of the rows that say only what could not be seen


def _says_nothing(finding: Finding) -> bool:
    return not finding.fails and finding.state in (FindingState.UNDECIDED, FindingState.INCOMPARABLE)


def outcome_text(outcome: Outcome, most: int = sys.maxsize) -> str:
    """Return an outcome as plain text; names are put on one line, and control characters are shown.

    Args:
        outcome: what was found.
        most: rows at most.
    """
    lines = [verdict_line([outcome]), f"{outcome.subject}: {counts_line([outcome])}"]
    lines += causes(outcome.findings)
    lines += [f"note: {note}" for note in outcome.notes]
    unsaid = [finding for finding in outcome.findings if _says_nothing(finding)]
    said = [finding for finding in outcome.findings if not _says_nothing(finding)]
    lines += [sentence(finding) for finding in said[:most]]
    if len(said) > most:
        lines.append(f"{len(said) - most:,} more rows; `harness report` with --html or --markdown has all")
    lines += [sentence(finding) for finding in unsaid[:_SHOWN]]
    if len(unsaid) > _SHOWN:
        lines.append(f"{len(unsaid) - _SHOWN:,} more that are undecided or incomparable")
    return "\n".join(visible(line) for line in lines) + "\n"
