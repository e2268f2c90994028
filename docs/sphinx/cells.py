"""Markdown of a table's cell."""


def cell(text: object) -> str:
    r"""Return text as a table's cell holds it: one line, and no bar that would end the cell.

    >>> cell("a|b")
    'a\\|b'
    """
    return " ".join(str(text).split()).replace("|", "\\|").replace("<", "&lt;")


def code(text: object) -> str:
    """Return text as code in a cell; nothing for nothing."""
    shown = " ".join(str(text).split()).replace("|", "\\|")
    return f"`{shown}`" if shown else ""


def table(headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a table of cells that are ready."""
    lines = [headings, tuple("---" for _ in headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
