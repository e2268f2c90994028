"""A stored search is read again, and reported as it was when it ended."""

from pathlib import Path

import pytest
from searches import FOUND

from harness.record.codec import UnreadableError
from harness.record.fit import load_search
from harness.report.fit import fit_json
from harness.report.fit_page import fit_page
from harness.stored import document_of, reader_of


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    path = tmp_path / "fit.json"
    path.write_text(fit_json(FOUND), encoding="utf-8")
    return path


def test_a_search_is_read_as_it_was_written(stored: Path) -> None:
    assert load_search(stored) == FOUND


def test_its_kind_is_told_and_every_form_is_made_again(stored: Path) -> None:
    document = document_of(stored)
    reader = reader_of(stored)

    assert reader is not None
    assert document.what == reader.what
    assert document.forms["html"]() == fit_page(FOUND)
    assert document.forms["json"]() == fit_json(FOUND)
    assert list(document.tables()) == ["fit.md"]


def test_the_markdown_has_the_answer_a_row_a_candidate_and_the_lines(stored: Path) -> None:
    text = document_of(stored).forms["markdown"]()

    assert text.startswith("# net\n\nfits 64 MiB: checkpoint blocks 3 to 6 of 6")
    assert len([line for line in text.splitlines() if line.startswith("| ")]) == len(FOUND.trials) + 1
    assert "```python\nfor path in ('a.2',):\n    pass\n```" in text


def test_the_page_escapes_what_comes_from_a_model(stored: Path) -> None:
    page = document_of(stored).forms["html"]()

    assert page.startswith("<!doctype html>")
    assert "for path in (&#39;a.2&#39;,):" in page


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text("{}")

    with pytest.raises(UnreadableError, match="is not what harness fit --json writes"):
        load_search(tmp_path / "other.json")
    with pytest.raises(UnreadableError, match="cannot be read"):
        load_search(tmp_path / "missing.json")
