"""Every link between documents leads somewhere, heading included."""

import re
from itertools import pairwise
from pathlib import Path

import pytest
from documents import ROOT, documents, name_of, tokens_of


def anchors(document: Path) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    tokens = tokens_of(document)
    headings = [inline.content for opening, inline in pairwise(tokens) if opening.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def targets(document: Path) -> list[str]:
    """Return where a document's links and pictures lead."""
    inner = [child for token in tokens_of(document) for child in token.children or ()]
    return [
        str(child.attrs.get("href") or child.attrs.get("src"))
        for child in inner
        if {"href", "src"} & set(child.attrs)
    ]


def broken(document: Path) -> list[str]:
    """Return the links of a document that lead nowhere in the repository."""
    wrong = []
    for target in targets(document):
        if re.match(r"https?:|mailto:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (document.parent / path).resolve() if path else document
        if not file.is_file() or (anchor and anchor not in anchors(file)):
            wrong.append(target)
    return wrong


@pytest.mark.parametrize("document", documents(), ids=name_of)
def test_links_resolve(document: Path) -> None:
    assert broken(document) == []


def test_a_link_to_no_file_or_no_heading_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One thing\n\n[a](b.md) [c](#one-thing) [d](page.md#two) ![e](f.svg)\n")

    assert broken(page) == ["b.md", "page.md#two", "f.svg"]


def test_every_document_is_linked_from_another() -> None:
    linked = {
        (document.parent / target.partition("#")[0]).resolve()
        for document in documents()
        for target in targets(document)
    }
    lists = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs").rglob("*.md"))
    unlinked = [
        name_of(document)
        for document in documents()
        if document not in linked and not re.search(rf"<(\.\./)?[\w/]*{document.stem}>", lists)
    ]

    # a list of the site takes every decision
    assert [name for name in unlinked if not name.startswith("docs/decisions/")] == ["docs/index.md"]
