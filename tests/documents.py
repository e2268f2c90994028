"""What the documents hold: their blocks of code and their links, read as GitHub reads them."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[1]
_READER = MarkdownIt("commonmark").enable("table")


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code.

    Attributes:
        language: what stands behind its fence.
        text: what stands in it.
        file: that the sentence before it says to save it as; "" for none.
    """

    language: str
    text: str
    file: str


def documents() -> tuple[Path, ...]:
    """Return every document that people write; tables of results are written by commands."""
    return (
        *sorted(ROOT.glob("*.md")),
        *sorted((ROOT / "docs").rglob("*.md")),
        ROOT / "results" / "README.md",
    )


def name_of(document: Path) -> str:
    """Return a document's path in the repository."""
    return document.relative_to(ROOT).as_posix()


@cache
def tokens_of(document: Path) -> list[Token]:
    """Return a document as its parts."""
    return _READER.parse(document.read_text(encoding="utf-8"))


def blocks_of(document: Path) -> list[Block]:
    """Return a document's blocks of code, in order."""
    sentence, blocks = "", []
    for token in tokens_of(document):
        if token.type == "inline":
            sentence = token.content
        if token.type == "fence":
            saved = re.search(r"(?:Save this as|^)\s?`(\w+\.py)`", sentence)
            blocks.append(Block(token.info.strip(), token.content, saved[1] if saved else ""))
            sentence = ""
    return blocks


def commands_in(text: str) -> list[str]:
    r"""Return the commands of a shell's block: continued lines and here-documents belong to one.

    >>> commands_in("a b \\\n  c  # why\\ncat <<'END'\\n1\\nEND\\n")
    ["a b    c", "cat <<'END'\\n1\\nEND"]
    """
    commands: list[str] = []
    lines = iter(text.replace("\\\n", " ").splitlines())
    for line in lines:
        if line.startswith("#") or not line.strip():
            continue
        command = re.sub(r"\s+# .*$", "", line)
        if end := re.search(r"<<'(\w+)'$", command):
            for inner in lines:
                command += f"\n{inner}"
                if inner == end[1]:
                    break
        commands.append(command.strip())
    return commands
