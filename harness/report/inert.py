"""The one gate for what goes out: text from anywhere is shown as it is, and does nothing.

A name in a file may be anybody's. Terminal, plots, HTML and JUnit show it through `printable`, one line of
it through `visible`; markdown through `markdown`, `code` and `code_block`; a path through `file_name`.
"""

import hashlib
import json
import re
from collections.abc import Sequence

_LONGEST_REFUSAL = 391  # with the "harness: " before it, 400
_LONGEST_NAME = 100  # characters of a file's name, for a disk takes 255 bytes
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._+-]|^[.-]")
_BACKTICKS = re.compile("`+")

_ADDRESS = re.compile(r"/(?=/)|www(?=\.)", re.IGNORECASE)
_GAP = "\ue000"  # of a private plane: visible() leaves none, so that it stands for the space alone

# What begins a mention, a link to an issue or an address of mail is parted from what follows by a space
# without width: GitHub looks for them in the text that an entity stands for, too.
_MARKDOWN = str.maketrans(
    {
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
        "@": "@&#8203;",
        "#": "&#35;&#8203;",
        "~": "&#126;",
        "$": "&#36;",
        _GAP: "&#8203;",
        **{character: f"\\{character}" for character in "\\|`*_[]"},
    }
)
_BLOCK = re.compile(r"[-+](?= |$)|\d+(?=[.)](?: |$))|[-=](?=[-= ]*$)")  # a list, a rule, a heading


def printable(text: str) -> str:
    r"""Return text in its lines, in which no character moves a cursor, turns a line round or is hidden.

    >>> printable("a\n  b\x1b[2J\x9b\u202e")
    'a\n  b\\x1b[2J\\x9b\\u202e'
    """
    if text.isprintable():
        return text
    return "\n".join(line if line.isprintable() else _escaped(line) for line in text.split("\n"))


def escaped_json(text: str) -> str:
    r"""Return JSON for a terminal: the same data, with characters that do not print in JSON's own escapes.

    >>> escaped_json('["\x9b"]')
    '["\\u009b"]'
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character == "\n" else json.dumps(character)[1:-1]
        for character in text
    )


def visible(text: str) -> str:
    r"""Return text on one line in which every character is shown.

    >>> visible("a\nb\x1b[2J")
    'a b\\x1b[2J'
    """
    return printable(" ".join(text.split()))


def _escaped(line: str) -> str:
    return "".join(
        character
        if character.isprintable()
        else " "
        if character in "\t\xa0\u202f"
        else character.encode("unicode_escape").decode()
        for character in line
    )


def refusal(text: str) -> str:
    """Return why something was refused, on one line of at most 400 characters.

    >>> len(refusal(1000 * "x"))
    391
    """
    line = visible(text)
    return line if len(line) <= _LONGEST_REFUSAL else f"{line[: _LONGEST_REFUSAL - 3]}..."


def markdown(text: str) -> str:
    r"""Return text so that markdown shows it on one line: no markup, no mention, no link, no image.

    >>> markdown("a|b<script>")
    'a\\|b&lt;script&gt;'
    >>> markdown("![x](https://example.org) @you")
    '!\\[x\\](https:/&#8203;/example.org) @&#8203;you'
    """
    escaped = markdown_cell(text)
    begin = _BLOCK.match(escaped)
    if begin is None:
        return escaped
    at = begin.end() if escaped[0].isdigit() else 0
    return f"{escaped[:at]}\\{escaped[at:]}"


def markdown_cell(text: str) -> str:
    """Return the same for a cell of a table, where nothing begins a list or a heading."""
    return _ADDRESS.sub(rf"\g<0>{_GAP}", visible(text)).translate(_MARKDOWN)


def code(text: str) -> str:
    """Return text as code inside a line of markdown; "" for "".

    >>> code("pytest -k 'a`b'")
    "``pytest -k 'a`b'``"
    """
    line = visible(text)
    if not line:
        return ""
    fence = "`" * (1 + max(map(len, _BACKTICKS.findall(line)), default=0))
    gap = " " if line[0] == "`" or line[-1] == "`" else ""
    return f"{fence}{gap}{line}{gap}{fence}"


def code_block(lines: Sequence[str], language: str) -> str:
    """Return lines as a block of code, which none of them can end."""
    text = printable("\n".join(lines))
    fence = "`" * max(3, 1 + max(map(len, _BACKTICKS.findall(text)), default=0))
    return f"{fence}{language}\n{text}\n{fence}"


def file_name(name: str) -> str:
    """Return a name from anywhere as the name of one file: in no other folder, not hidden, not too long.

    What is a good name already stays; of two others that become alike each has a mark of its own.

    >>> file_name("grad_mode"), file_name("../../../x")
    ('grad_mode', '_._.._.._x-0274b718')
    """
    safe = _NOT_IN_NAMES.sub("_", name)[:_LONGEST_NAME]
    if safe == name and name:
        return name
    mark = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{safe}-{mark}"
