"""The site: built from the documents without a warning, from nothing elsewhere, and searchable."""

import doctest
import importlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest
from cells import table
from command_pages import commands_text
from documents import ROOT
from file_pages import field_comments, files_text
from generated import PARTS, filled
from pytest_pages import recorded
from python_pages import python_text
from quick_python import quick_python

import harness
from harness.commands import COMMANDS
from harness.record.schema import ArmResult, Environment, Record, Run


@pytest.mark.parametrize("name", ["cells", "contents", "file_pages", "raw_tables"])
def test_the_examples_of_what_builds_the_site_hold(name: str) -> None:
    results = doctest.testmod(importlib.import_module(name))

    assert results.failed == 0
    assert results.attempted > 0


def test_a_table_is_markdown() -> None:
    assert table(("a", "b"), [("1", "2")]) == "| a | b |\n| --- | --- |\n| 1 | 2 |\n"


def test_every_command_has_a_section_with_its_options() -> None:
    text = commands_text()

    assert re.findall(r"^### harness (\w+)$", text, re.MULTILINE) == list(COMMANDS)
    assert "harness measure [OPTIONS] TARGET\n" in text
    assert "harness duel [OPTIONS] BASE HEAD [TARGET...]\n" in text
    assert "| `--time-limit TIME_LIMIT` | seconds that a rank may be stuck, with --wrap | `300` |" in text


def test_every_public_name_has_a_section() -> None:
    assert sorted(re.findall(r"^## (\w+)$", python_text(), re.MULTILINE)) == sorted(harness.__all__)


def test_every_stored_field_is_listed_with_the_comment_beside_it() -> None:
    text = files_text()

    for kind in (Run, Environment, Record, ArmResult):
        assert f"### {kind.__name__}\n" in text
        for field in msgspec.structs.fields(kind):
            assert f"| `{field.name}` | " in text
    assert field_comments(Environment)["threads"] == "intra-op"
    assert "| `threads` | whole number | intra-op |" in text
    assert "| `arms` | list of [ArmResult](#armresult) |  |" in text


def test_options_and_keys_are_what_the_plugins_tell_pytest() -> None:
    recorder = recorded()

    assert {"--harness-watch", "--harness-time", "--harness-snapshot"} <= set(recorder.options)
    assert {"harness_watch_ignore", "harness_time", "harness_snapshot_folder"} <= set(recorder.keys)


def test_every_generated_part_is_on_a_page() -> None:
    pages = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs").rglob("*.md"))

    assert set(re.findall(r"^<!-- generated: (\w+) -->$", pages, re.MULTILINE)) == set(PARTS)


def test_what_is_said_to_readers_of_the_file_itself_is_not_on_the_page(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(PARTS, "files", lambda: "the files")

    assert (
        filled("before\n\n<!-- generated: files -->\n`make site` writes it.\nafter")
        == "before\n\nthe files\nafter"
    )


def test_a_part_that_is_not_there_ends_the_build() -> None:
    with pytest.raises(KeyError, match="commnads"):
        filled("<!-- generated: commnads -->")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make site` builds it."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(  # noqa: S603 (this interpreter)
        [
            quick_python(),
            *("-m", "sphinx", "-W", "--keep-going", "-q", "-c", "docs/sphinx"),
            *("-d", str(folder / "doctrees"), ".", str(folder / "pages")),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return folder / "pages"


@pytest.mark.process
def test_the_site_finds_each_command_and_each_public_name(site: Path) -> None:
    script = (site / "searchindex.js").read_text(encoding="utf-8")
    index = json.loads(script.removeprefix("Search.setIndex(").removesuffix(")"))

    assert [name for name in COMMANDS if f"harness {name}" not in index["alltitles"]] == []
    assert [name for name in harness.__all__ if name not in index["alltitles"]] == []
    pages = {index["docnames"][page] for page, _ in index["alltitles"]["harness bisect"]}
    assert pages == {"docs/commands"}


@pytest.mark.process
def test_the_site_takes_nothing_from_elsewhere(site: Path) -> None:
    loads = re.compile(r"<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=\"(https?:[^\"]*)")
    pages = [page.read_text(encoding="utf-8") for page in site.rglob("*.html")]

    assert {address for page in pages for address in loads.findall(page)} == set()
    assert (site / "index.html").is_file()
    assert "autograd_limits" in (site / "docs" / "reference" / "pytest.html").read_text(encoding="utf-8")


_CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.mark.slow
@pytest.mark.skipif(_CHROMIUM is None, reason="no chromium on PATH (Debian: apt-get install chromium)")
@pytest.mark.parametrize("name", COMMANDS)
def test_a_browser_finds_a_command_by_its_name_alone(site: Path, name: str, tmp_path: Path) -> None:
    page = subprocess.run(  # noqa: S603 (a browser that was looked up)
        [
            _CHROMIUM or "",
            *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            "--host-resolver-rules=MAP * ~NOTFOUND",  # nothing is asked of elsewhere
            f"--user-data-dir={tmp_path / 'profile'}",
            *("--virtual-time-budget=20000", "--dump-dom"),
            f"{(site / 'search.html').as_uri()}?q={name}",
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    ).stdout
    results = re.findall(r'<li class="[^"]*"><a href="([^"]*)"', page)

    assert [each for each in results if each.startswith("docs/commands.html")], page[-2000:]
