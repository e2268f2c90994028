"""What is said of one stored file, in the forms it has; each is made when it is asked for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Document:
    """The report of one stored file.

    Attributes:
        what: the file holds, in words: "a duel".
        forms: by the name of a format, such as "markdown" or "html", what makes its text; every document
            has "markdown".
        tables: the files that are kept as tables, by their path in the folder of tables.
    """

    what: str
    forms: Mapping[str, Callable[[], str]]
    tables: Callable[[], Mapping[str, str]]


def one_table(what: str, name: str, markdown: Callable[[], str]) -> Document:
    """Return a document whose markdown is its one table."""
    return Document(what, {"markdown": markdown}, lambda: {f"{name}.md": markdown()})
