"""The document of what `harness fit` has found."""

from pathlib import Path

from harness.record.fit import FitSearch, load_search
from harness.report.document import Document
from harness.report.fit import answer, closing, cost, fit_json, legend, levers_in_words, mark, more_sentences
from harness.report.fit_page import fit_page
from harness.report.inert import code_block, markdown
from harness.report.text import markdown_text_table
from harness.report.units import quantity

_HEADERS = ("", "levers", "bytes", "step", "expected", "")


def document(path: Path) -> Document:
    """Return the document of a file that `harness fit --json` wrote.

    Raises:
        UnreadableError: the file cannot be read, or holds no search.
    """
    search = load_search(path)
    forms = {
        "markdown": lambda: fit_markdown(search),
        "html": lambda: fit_page(search),
        "json": lambda: fit_json(search),
    }
    return Document("a search for a step that fits", forms, lambda: {f"{path.stem}.md": fit_markdown(search)})


def fit_markdown(search: FitSearch) -> str:
    """Return the answer, what was run, and the lines to paste."""
    rows = [
        [
            mark(trial, search),
            levers_in_words(trial.candidate, search),
            "-" if trial.peak is None else quantity(trial.peak, "B"),
            cost(trial),
            "-" if trial.error is None else f"{trial.error:+.2%}",
            trial.reason or trial.timing,
        ]
        for trial in search.trials
    ]
    parts = [
        f"# {markdown(search.target)}",
        markdown(answer(search)),
        *map(markdown, more_sentences(search)),
        markdown_text_table(_HEADERS, rows),
        *map(markdown, search.notes),
    ]
    if search.lines:
        parts.append(code_block(search.lines, "python"))
    parts.append(markdown(f"{closing(search)} {' '.join(legend(search))}"))
    return "\n\n".join(parts) + "\n"
