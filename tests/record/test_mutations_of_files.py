"""Files that differ from good ones in any place: they are refused in one line, or every reader takes them."""

import json
import re
import warnings
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from random import Random
from typing import Any
from xml.etree import ElementTree as ET

import mutating
import pytest
from markdown_it import MarkdownIt
from msgspec import inspect

from harness.calibration.record import Calibration
from harness.claims.record import ClaimsRun
from harness.errors import HarnessError
from harness.judge.trend import trend
from harness.record import baseline as baselines
from harness.record import duel as duels
from harness.record.fit import FitSearch
from harness.record.pytest_benchmark import BenchmarkFile
from harness.record.schema import Run
from harness.record.store import load_run
from harness.report.inert import printable
from harness.report.measurement import measurement_text
from harness.report.outcomes import compare_files, gate_files, report_files
from harness.report.perfetto import trace_file
from harness.report.trend_text import trend_text
from harness.report.written import WRITERS, gate_text
from harness.stored import document_of

GOLDEN = Path(__file__).parent.parent / "golden"
KINDS: dict[str, Any] = {
    "run": Run,
    "duel": duels._File,
    "fit": FitSearch,
    "baseline": baselines._File,
    "claims": ClaimsRun,
    "calibration": Calibration,
    "pytest-benchmark": BenchmarkFile,
}
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")

MARKDOWN = MarkdownIt("gfm-like")
MARKDOWN.linkify.set({"fuzzy_link": False})  # GitHub makes no link of a name with a point in it
DRAWN = {
    "wbr",
    "svg",
    "g",
    "defs",
    "style",
    "path",
    "use",
    "figure",
    "figcaption",
    "text",
    "tspan",
    "clippath",
    "rect",
}
WRITTEN = {
    "a",
    *("h1", "h2", "h3", "p", "br", "hr", "ul", "li", "strong", "em", "code", "pre", "details", "summary"),
    *("table", "thead", "tbody", "tr", "th", "td", "img"),
}
_LONG = 300_000  # characters, which the parser of this test takes minutes for


def good(kind: str) -> Any:
    """Return a good file of a kind, with something in every field that the schema has."""
    data = _BEGUN[kind]()
    data = mutating.filled(data, inspect.type_info(KINDS[kind]))
    if kind == "fit":
        for trial in (data["untouched"], data["plan"], *data["trials"], *data["batches"]):
            trial["candidate"]["dtype"] = "autocast"
    return data


def _run() -> Any:
    run = json.loads((GOLDEN / "run-1.json").read_text())
    run["metrics"] += [
        {"name": name, "unit": "B", "better": "lower", "kind": "exact", "meaning": "m"}
        for name in ("saved", "retained")
    ]
    run = mutating.filled(run, inspect.type_info(Run))
    for arm in run["records"][0]["arms"]:
        arm["axis"] = len(arm["arm"])
        arm["allocated"] |= {"marks": [0.0, 1.0], "of": [0]}
        arm["ranks"][0]["timings"] = arm["timings"]
    for fit in run["fits"]:
        fit["case"]["batch_size"], fit["runs"] = 1, [[1, 5], [2, 9]]
    return run


def _duel() -> Any:
    run = _run()
    side = {"given": ".", "python": "p", "run": run}
    case = load_run(GOLDEN / "run-1.json").records[0].case.id
    arms = [{"case": case, "arm": "grad", "samples": run["records"][0]["arms"][0]["timings"][0]}]
    return {"duel": {"base": side, "head": side, "arms": arms, "restarts": 3, "floor": 0.005}}


def _baseline() -> Any:
    data = json.loads((GOLDEN / "reports/baseline-1.json").read_text())
    return data | {"rows": [row for row in data["rows"] if row is not None]}


_BEGUN: dict[str, Callable[[], Any]] = {
    "run": _run,
    "duel": _duel,
    "fit": lambda: {"blocks": ["h.0", "h.1"], "batch_size": 8},
    "baseline": _baseline,
    "claims": lambda: {"schema": 1},
    "calibration": lambda: {"overhead": {"0.5": 0.1}, "cells": [{"asked_s": 0.5, "planted": 0.0}, {}]},
    "pytest-benchmark": dict,
}


class Tags(HTMLParser):
    """The names of a page's elements, and the attributes that do something."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.names |= {f"{name}={value}" for name, value in attrs if _does_something(name, value or "")}


def _does_something(name: str, value: str) -> bool:
    here = value.startswith(("#", "data:")) or re.fullmatch(r"claims(/[^/]+\.svg|\.md)", value) is not None
    return name.startswith("on") or (name in {"href", "src", "xlink:href"} and not here)


def check_inert(text: str, known: set[str]) -> None:
    """Check that a text moves no cursor, and that it has no element but what a good file's has."""
    assert _CONTROL.search(text) is None
    if text.startswith("<!doctype"):
        assert Tags(text).names <= known | DRAWN
    elif text.startswith("#") and len(text) < _LONG:  # markdown, all of which has a heading first
        assert Tags(MARKDOWN.render(text)).names <= WRITTEN


def read_whole(path: Path, folder: Path, *, page: bool) -> list[str]:
    """Put a file through every reader and every writer, and return what is written for people."""
    kind = path.stem
    texts: list[str] = []
    if kind == "run":
        loaded, outcomes = report_files([path], None, folder / "pyproject.toml")
        for name, write in WRITERS.items():
            if name not in {"html", "plot"} or page:
                texts.append(write(loaded, outcomes))
        ET.fromstring(WRITERS["junit"](loaded, outcomes))  # noqa: S314 (made here)
        texts.append(printable(measurement_text(load_run(path))))
        texts.append(trend_text(trend([load_run(path), load_run(path)])))
        texts.append(trace_file(load_run(path)))
        texts.append(WRITERS["markdown"]((), [compare_files(path, path)]))
        gated = gate_files([path], folder / "baselines", folder / "pyproject.toml", update=True)
        again = gate_files([path], folder / "baselines", folder / "pyproject.toml")
        texts += [gate_text(each.outcomes, each.changes, "harness gate") for each in (gated, again)]
        texts += document_of(path).tables().values()
    elif kind == "pytest-benchmark":
        texts.append(WRITERS["markdown"]((), [compare_files(path, path)]))
    else:
        document = document_of(path)
        for name, form in document.forms.items():
            if name != "html" or page:
                texts.append(form())
        if page or kind in ("duel", "fit", "baseline"):
            for name, text in document.tables().items():
                assert (folder / name).resolve().is_relative_to(folder.resolve())
                texts.append(text)
    return texts


def survive(kind: str, number: int, folder: Path, known: set[str], *, page: bool) -> bool:
    """Mutate a good file and read it; return whether it was taken."""
    random = Random(f"{kind} {number}")
    data = mutating.mutated(good(kind), inspect.type_info(KINDS[kind]), random)
    folder.mkdir()
    path = folder / f"{kind}.json"
    path.write_text(json.dumps(data))
    said, texts = "", []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of matplotlib: what a file says may not be drawn well
            texts = read_whole(path, folder, page=page)
    except HarnessError as refusal:
        said = str(refusal)
    assert len(said.replace(str(path), "").splitlines() or [""]) == 1
    assert len(said.replace(str(path), "")) <= 400
    for text in texts:
        check_inert(text, known)
    return not said


def known(kind: str, folder: Path) -> set[str]:
    """Return the elements of a good file's page."""
    path = folder / f"{kind}.json"
    path.write_text(json.dumps(good(kind)))
    return {
        name
        for text in read_whole(path, folder, page=True)
        if text.startswith("<!doctype")
        for name in Tags(text).names
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_good_file_is_taken(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"{kind}.json"
    path.write_text(json.dumps(good(kind)))

    assert read_whole(path, tmp_path, page=True)


def test_a_good_run_holds_something_in_every_field() -> None:
    data = good("run")

    def empty(value: Any, kind: inspect.Type) -> list[tuple[Any, ...]]:
        return [path for path, of in mutating.places(value, kind) if reached(value, path) in ([], {}, None)]

    def reached(value: Any, path: tuple[Any, ...]) -> Any:
        for step in path:
            value = value[step]
        return value

    assert empty(data, inspect.type_info(Run)) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_mutation_is_refused_in_one_line_or_read_whole(kind: str, tmp_path: Path) -> None:
    elements = known(kind, tmp_path)
    taken = [survive(kind, n, tmp_path / str(n), elements, page=n % 10 == 0) for n in range(20)]

    assert set(taken) == {True, False}  # else nothing was put to the test


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_two_thousand_mutations_are_refused_or_read(kind: str, tmp_path: Path) -> None:
    elements = known(kind, tmp_path)
    numbers = range(1000, 1000 + 2000 // len(KINDS) + 1)
    taken = [survive(kind, n, tmp_path / str(n), elements, page=True) for n in numbers]

    assert set(taken) == {True, False}
