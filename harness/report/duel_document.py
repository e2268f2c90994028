"""The document of a duel's file: it is judged again from its samples."""

from pathlib import Path

from harness.judge.duel import judge_duel, judge_times
from harness.record.duel import load_duel
from harness.report.document import Document
from harness.report.duel import duel_markdown
from harness.report.duel_page import duel_page
from harness.report.junit import junit


def document(path: Path) -> Document:
    """Return the document of a file that `harness duel --json` wrote.

    Raises:
        UnreadableError: the file cannot be read, or is not a duel.
    """
    duel = load_duel(path)
    times = judge_times(duel)
    outcome = judge_duel(duel, times)
    forms = {
        "markdown": lambda: duel_markdown(duel, outcome, times),
        "html": lambda: duel_page(duel, outcome, times),
        "junit": lambda: junit([outcome]),
    }
    name = path.stem.removeprefix("duel-")
    return Document("a duel", forms, lambda: {f"{name}.md": forms["markdown"]()})
