"""What goes out is shown and does nothing, whatever it says."""

import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import runs
from markdown_it import MarkdownIt

from harness.judge.finding import Finding, FindingState, Outcome
from harness.record.codec import encode
from harness.report.inert import (
    code,
    code_block,
    escaped_json,
    file_name,
    markdown,
    printable,
    refusal,
    visible,
)
from harness.report.junit import junit
from harness.report.outcomes import report_files
from harness.report.run_document import document
from harness.report.written import WRITERS

HOSTILE = [
    "![x](https://example.org/x.png)",
    "[x](javascript:alert)",
    "https://example.org/?a=b",
    "www.example.org",
    "someone@example.org",
    "<https://example.org>",
    "<img src=x onerror=alert(1)>",
    "# heading",
    "- item",
    "1. item",
    "`code` ``two``",
    "a\n\n# b",
    "&lt;b&gt;",
    "[x]: https://example.org",
    "\N{RIGHT-TO-LEFT OVERRIDE}gnp.x",
    "\x1b[2J\x9b31m\x07",
]
_HIDDEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class Elements(HTMLParser):
    """The elements of a page, each with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, attrs))


def as_github_shows_it(text: str) -> str:
    """Return markdown as HTML, with tables and with bare addresses made links."""
    return MarkdownIt("gfm-like").render(text)


@pytest.mark.parametrize("text", HOSTILE)
def test_text_is_one_paragraph_of_itself_in_markdown(text: str) -> None:
    page = as_github_shows_it(f"{markdown(text)}\n")

    assert [tag for tag, _ in Elements(page).elements] == ["p"]


@pytest.mark.parametrize("text", HOSTILE)
def test_text_is_one_piece_of_code(text: str) -> None:
    page = as_github_shows_it(f"Measured by {code(text)} here")

    assert [tag for tag, _ in Elements(page).elements] == ["p", "code"]


def test_a_block_of_code_ends_where_it_ends() -> None:
    page = as_github_shows_it(code_block(["```", "# a", "````"], "python"))

    assert [tag for tag, _ in Elements(page).elements] == ["pre", "code"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [("@everyone", "@\u200beveryone"), ("#1", "#\u200b1"), ("a@b.org", "a@\u200bb.org")],
)
def test_nobody_is_mentioned_for_a_space_parts_the_sign_from_the_name(text: str, shown: str) -> None:
    assert shown in as_github_shows_it(markdown(text))


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("way", [printable, visible, markdown, code, refusal, escaped_json, file_name])
def test_no_character_is_hidden_or_moves_anything(text: str, way: object) -> None:
    assert callable(way)
    assert _HIDDEN.search(way(text)) is None


@pytest.mark.parametrize(
    "name", ["../../../x", "/x", "..", ".", "", ".hidden", "-rf", "a\x00b", "a/b", "a\\b", "x" * 5000, "ü"]
)
def test_a_name_is_a_file_of_its_folder(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"{file_name(name)}.md"
    path.write_bytes(b"")

    assert [path.name for path in tmp_path.iterdir()] == [path.name]
    assert path.resolve().parent == tmp_path.resolve()
    assert not path.name.startswith((".", "-."))


def test_names_that_become_alike_are_files_of_their_own() -> None:
    assert len({file_name("a/b"), file_name("a_b"), file_name("a\\b")}) == 3


def test_a_good_name_stays() -> None:
    assert file_name("freezing_curve") == "freezing_curve"


@pytest.mark.parametrize("text", HOSTILE)
def test_a_run_of_hostile_names_makes_no_element_and_no_link(tmp_path: Path, text: str) -> None:
    case = runs.case(text, question=text, variant=text)
    path = tmp_path / "run.json"
    path.write_bytes(encode(runs.run(runs.record(case, runs.timed(text, [1.0, 2.0])), command=text)))
    plain = tmp_path / "plain.json"
    plain.write_bytes(encode(runs.run(runs.record(runs.case(), runs.timed("grad", [1.0, 2.0])), command="c")))

    def forms(of: Path) -> tuple[str, str, str, list[str]]:
        loaded, outcomes = report_files([of], None, tmp_path / "pyproject.toml")
        return (
            WRITERS["markdown"](loaded, outcomes),
            WRITERS["html"](loaded, outcomes),
            WRITERS["junit"](loaded, outcomes),
            [*document(of).tables().values()],
        )

    summary, page, xml, tables = forms(path)
    quiet_summary, quiet_page, _, quiet_tables = forms(plain)

    def tags(of: str) -> list[str]:
        return [tag for tag, _ in Elements(of).elements]

    assert tags(page) == tags(quiet_page)
    assert tags(as_github_shows_it(summary)) == tags(as_github_shows_it(quiet_summary))
    assert tags(as_github_shows_it(tables[0])) == tags(as_github_shows_it(quiet_tables[0]))
    assert ET.fromstring(xml).tag == "testsuites"  # noqa: S314 (made here)
    for written in (summary, page, xml, *tables):
        assert _HIDDEN.search(written) is None


def test_a_failure_in_junit_shows_what_xml_cannot_hold() -> None:
    finding = Finding(state=FindingState.FAILED, fails=True, case="a\x00\ufffe", detail="\x1b[2J")
    outcome = Outcome(door="gate", subject="s", findings=(finding,), equal={}, cases={})

    text = junit([outcome])

    assert ET.fromstring(text) is not None  # noqa: S314 (made here)
    assert "a\\x00\\ufffe" in text
