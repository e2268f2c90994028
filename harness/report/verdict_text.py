"""An outcome for a terminal or a log: the verdict first, then a sentence a row."""

from harness.judge.finding import Outcome
from harness.report.sentence import counts_line, sentence, verdict_line


def outcome_text(outcome: Outcome) -> str:
    """Return an outcome as plain text; names are put on one line, and control characters are shown."""
    lines = [verdict_line([outcome]), f"{outcome.subject}: {counts_line([outcome])}"]
    lines += [f"note: {note}" for note in outcome.notes]
    lines += [sentence(finding) for finding in outcome.findings]
    return "\n".join(visible(line) for line in lines) + "\n"


def visible(text: str) -> str:
    r"""Return text whose characters all print: an escape sequence in a name must not move a cursor.

    >>> visible("a\nb\x1b[2J")
    'a b\\x1b[2J'
    """
    one_line = " ".join(text.split())
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in one_line
    )
