"""Fills the reference pages with what the code says of itself: a page names a part in an HTML comment."""

import re
from collections.abc import Callable

from command_pages import commands_text
from contents import with_contents
from file_pages import files_text
from pytest_pages import pytest_text
from python_pages import python_text
from raw_tables import with_raw_tables
from sphinx.application import Sphinx

PARTS: dict[str, Callable[[], str]] = {
    "commands": commands_text,
    "files": files_text,
    "pytest": pytest_text,
    "python": python_text,
}
# The line after it is for who reads the file itself, where nothing is filled in.
_MARK = re.compile(r"^<!-- generated: (\w+) -->(?:\n`make site` .*)?$", re.MULTILINE)


def filled(text: str) -> str:
    """Return a page with each part that it names in place of the comment, and the table of contents."""
    return with_contents(_MARK.sub(lambda match: PARTS[match[1]](), text))


def _read(name: str, text: str) -> str:
    return with_raw_tables(text) if name.startswith("results/tables/") else filled(text)


def setup(app: Sphinx) -> dict[str, bool]:
    """Fill pages as they are read."""
    app.connect("source-read", lambda _app, name, content: content.__setitem__(0, _read(name, content[0])))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
