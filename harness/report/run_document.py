"""The document of a run file: a table a question."""

from pathlib import Path

from harness.record.schema import Run
from harness.record.store import load_run
from harness.report.document import Document
from harness.report.inert import file_name
from harness.report.tables import question_pages


def document(path: Path) -> Document:
    """Return the document of a run file.

    Raises:
        UnreadableError: the file cannot be read, or is not a run.
    """
    run = load_run(path)
    return Document("a run", {"markdown": lambda: _markdown(run)}, lambda: _tables(run))


def _markdown(run: Run) -> str:
    return "\n".join(question_pages(run).values())


def _tables(run: Run) -> dict[str, str]:
    return {f"{file_name(question)}.md": page for question, page in question_pages(run).items()}
