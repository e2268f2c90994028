"""Examples in docstrings are run, so that none says what the code does not do."""

import doctest
import importlib
import linecache
import pkgutil
import re
from pathlib import Path

import pytest

import harness

ROOT = Path(__file__).parents[1]

MODULES = tuple(
    module.name
    for module in pkgutil.walk_packages(harness.__path__, "harness.")
    if not module.name.endswith("__main__")  # which runs when it is imported as a program only
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_hold(name: str) -> None:
    linecache.clearcache()  # else each example looks whether any file that it holds has changed
    results = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)

    assert results.failed == 0


def test_there_are_examples_to_run() -> None:
    finder = doctest.DocTestFinder()
    with_examples = {
        name for name in MODULES if any(test.examples for test in finder.find(importlib.import_module(name)))
    }

    assert {"harness.record.measured", "harness.judge.verdict", "harness.report.units"} <= with_examples


def test_nothing_reads_as_if_the_package_were_on_an_index() -> None:
    texts = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*"), *(ROOT / "harness").rglob("*.py")]
    lines = [
        line
        for path in texts
        if path.suffix in {".md", ".yml", ".py"}
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(r"(pip install|uv|pipx)\b.*(?<![./])\bautograd-harness(?!.* @ )(?!\.)", line)
    ]

    assert lines == []


def test_the_table_that_is_explained_is_one_of_the_committed_tables() -> None:
    explained = (ROOT / "docs" / "explanations" / "pairs.md").read_text(encoding="utf-8")
    section = explained[explained.index("## How a table is read") : explained.index("Each row is one way")]
    rows = [line for line in section.splitlines() if line.startswith(("|", "- "))]
    page = (ROOT / "results" / "tables" / "cpu" / "grad_mode.md").read_text(encoding="utf-8")

    assert len(rows) == 7
    assert [row for row in rows if row not in page.splitlines()] == []
