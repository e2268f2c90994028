"""The gallery of the atlas: its answer, its surprises, what it says of a half-done record, and its script."""

import base64
import hashlib
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest
from runs import environment

from bench.atlas.facts import knee_of, trunk_bytes
from bench.atlas.gallery import gallery
from bench.atlas.record import Atlas, Chart, Reading, Run, Subject
from bench.atlas.surprises import surprises
from bench.atlas.table import document

_EVIL = '"><script>alert(1)</script>'


def _reading(mode: str, **changes: Any) -> Reading:
    fields: dict[str, Any] = {
        "peak": 1100,
        "retained": 1000,
        "retained_no_grad": 10,
        "saved": 990,
        "spared": 990,
        "unaccounted": 0,
        "nodes": 7,
        "operators": 9,
    }
    return Reading(mode=mode, **{**fields, **changes})  # type: ignore[arg-type]


def _chart(
    name: str, size: int = 1000, *, family: str = "timm", curve: tuple[int, ...] = (), **changes: Any
) -> Chart:
    return Chart(
        subject=Subject(family, name),
        built="Net",
        size=size,
        inputs={"x": (2, 3)},
        readings=(_reading("train", **changes), _reading("eval", **changes)),
        curve=curve,
    )


USUAL = tuple(_chart(f"usual {number}", 1000 + number) for number in range(20))


def _atlas(*charts: Chart, offered: int = 0) -> Atlas:
    runs = {
        chart.subject.family: Run(environment=environment(), command="python -m bench.atlas", offered=offered)
        for chart in charts
    }
    return Atlas(runs=runs, charts=charts)


class _Page(HTMLParser):
    """The rows of a page's tables, and the scripts and addresses in it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.scripts = 0
        self.tags: set[str] = set()
        self._cell = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.scripts += tag == "script"
        assert not any(name in {"src", "onclick", "onerror"} for name, _ in attrs)
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")
            self._cell = True

    def handle_endtag(self, tag: str) -> None:
        self._cell = self._cell and tag not in {"td", "th"}

    def handle_data(self, data: str) -> None:
        if self._cell:
            self.rows[-1][-1] += data


def test_the_answer_is_first_and_every_architecture_is_in_a_plain_table() -> None:
    page = gallery(_atlas(*USUAL, _chart("odd", spared=0, retained_no_grad=1000)))

    assert (
        "no_grad spares at least 99.0 % in half of 21 architectures, and at least 99.0 % in nine of ten;"
        " 1 architecture is spared nothing."
    ) in page
    rows = [row for row in _Page(page).rows if len(row) > 6]
    assert rows[0][:4] == ["architecture", "library", "parameters", "spared, train"]
    assert rows[1] == [
        "usual 0", "timm", "1000 B", "990 B", "99.0 %", "990 B", "1.074 KiB", "990 B", "99.0 %", "balance",
    ]  # fmt: skip
    assert len(rows) == 22


def test_what_is_not_in_the_record_is_said() -> None:
    without = gallery(_atlas(*USUAL))
    some = gallery(_atlas(*USUAL, _chart("curved", curve=(100, 40, 30, 20, 10))))

    assert "Not here: what the trunk holds, and the knee of freezing." in without
    assert 'scope="col" title="blocks' not in without
    assert "Freezing was tried on 1 of 21" in some
    row = next(row for row in _Page(some).rows if row[:1] == ["curved"])
    assert row[5:7] == ["90 B", "1 of 4"]


def test_a_half_done_atlas_says_what_is_there_and_what_is_not() -> None:
    missing = Chart(subject=Subject("timm", "vit"), reason="took longer than 60 s")
    page = gallery(_atlas(*USUAL[:3], missing, offered=10))

    assert (
        "timm: 4 of 10 charted, 3 measured; 6 not tried yet, and the same command goes on with them." in page
    )
    assert "why 1 are not measured" in page
    assert "how many the library has is not in the record" in gallery(_atlas(*USUAL))


def test_an_atlas_without_charts_or_numbers_is_a_page_too() -> None:
    empty = gallery(Atlas(runs={}, charts=()))
    reasons = gallery(_atlas(Chart(subject=Subject("timm", "vit"), reason="took longer than 60 s")))

    for page in (empty, reasons):
        assert "No architecture here was held against no_grad in train mode." in page
        assert "<script" not in page
        assert "The most surprising" not in page
    assert "Nothing is charted yet." in empty
    assert "took longer than 60 s" in reasons


def test_surprises_are_far_from_the_median_and_give_reason_and_command() -> None:
    told = surprises(
        (
            *USUAL,
            _chart("nothing", spared=0, saved=0, nodes=0, retained_no_grad=1000),
            _chart("little", spared=300, retained_no_grad=700),
            _chart("heavy", 10),
            _chart("wide", 10**6),
            _chart("hungry", peak=9000),
            _chart("leaky", leaked=8, notes=("each call leaves 8 B",)),
        )
    )
    by_name = {each.chart.subject.name: each for each in told}

    assert set(by_name) == {"nothing", "little", "heavy", "wide", "hungry", "leaky"}
    assert by_name["nothing"].why.startswith("what the pass returns hangs on no graph")
    assert by_name["little"].what == "no_grad spares 30.0 % of what a pass holds; the median is 99.0 %"
    assert by_name["heavy"].what.startswith("the graph keeps 99 bytes for a byte of parameters")
    assert "7.812 KiB are gone when it returns" in by_name["hungry"].why
    assert by_name["leaky"].why == "each call leaves 8 B"
    assert by_name["little"].again.startswith("python -m bench.atlas --family timm --only little --json")


def test_two_modes_that_do_different_work_are_a_surprise() -> None:
    dropout = msgspec.structs.replace(
        _chart("dropout"), readings=(_reading("train"), _reading("eval", spared=330, nodes=3))
    )
    (told,) = surprises((*USUAL, dropout))

    assert told.what == "no_grad spares 3 times as much in train mode as in eval mode"


def test_architectures_with_the_same_numbers_are_told_once_and_ten_at_most() -> None:
    twins = tuple(_chart(name, peak=9000) for name in ("one", "two"))
    many = tuple(_chart(f"odd {number}", 1000, peak=9000 + number) for number in range(9))
    heavy = tuple(_chart(f"heavy {number}", 10 + number) for number in range(9))

    assert len(surprises((*USUAL, *twins))) == 1
    assert len(surprises((*USUAL, *USUAL, *many, *heavy))) == 10
    assert surprises(USUAL) == ()


def test_a_knee_is_of_blocks_and_what_the_trunk_holds_is_what_freezing_all_spares() -> None:
    charts = [_chart("x", curve=curve) for curve in ((), (100, 75, 50, 25), (5, 5), (100, 40, 30, 20, 10))]

    assert [knee_of(chart) for chart in charts] == ["-", "even", "saves nothing", "1 of 4"]
    assert [trunk_bytes(chart) for chart in charts] == [None, 75, 0, 90]


def test_names_and_reasons_from_the_record_are_text() -> None:
    evil = _chart(_EVIL, family=_EVIL, peak=9000, notes=(_EVIL,))
    missing = Chart(subject=Subject("timm", _EVIL), reason=_EVIL)
    page = gallery(_atlas(*USUAL, evil, missing))

    assert _EVIL not in page
    assert _Page(page).scripts == 1
    assert not _Page(page).tags & {"img", "iframe"}


def test_the_policy_of_the_page_lets_its_own_script_run_and_no_other() -> None:
    page = gallery(_atlas(*USUAL))
    script = re.search(r"<script>(.*?)</script>", page, re.DOTALL)
    assert script is not None
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()

    assert (
        f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'" in page
    )


def test_the_file_of_an_atlas_has_its_page_as_a_form(tmp_path: Path) -> None:
    path = tmp_path / "atlas.json"
    path.write_bytes(msgspec.json.encode(_atlas(*USUAL)))

    assert document(path).forms["html"]().startswith("<!doctype html>")
    assert set(document(path).tables()) == {"atlas.md"}


_CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.mark.slow
@pytest.mark.process
@pytest.mark.skipif(_CHROMIUM is None, reason="no chromium on PATH (Debian: apt-get install chromium)")
def test_a_browser_searches_and_sorts_it(tmp_path: Path) -> None:
    page = gallery(_atlas(_chart("small", 2000), _chart("large", 3 << 20), _chart("middle", 5 << 10)))
    probe = """<script>
      var names = function () { return [].map.call(document.querySelectorAll("#all tbody tr:not([hidden])"),
        function (row) { return row.cells[0].textContent; }).join(","); };
      var said = [names()], head = document.querySelectorAll("#all th button");
      head[2].click(); said.push(names()); head[2].click(); said.push(names());
      var search = document.querySelector("input"); search.value = "LARGE timm";
      search.dispatchEvent(new Event("input")); said.push(names());
      document.title = said.join("|");
    </script></body>"""
    path = tmp_path / "page.html"
    # The page's own script runs under its own policy in the second file, and the probe past it in the first.
    path.write_text(re.sub(r"<meta http-equiv=[^>]*>", "", page).replace("</body>", probe))
    held = tmp_path / "held.html"
    held.write_text(page)

    assert "<title>small,large,middle|large,middle,small|small,middle,large|large</title>" in _dom(
        path, tmp_path
    )
    assert 'type="search"' in _dom(held, tmp_path)


def _dom(page: Path, folder: Path) -> str:
    done = subprocess.run(  # noqa: S603 (the browser)
        [
            _CHROMIUM or "",
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={folder / 'profile'}",
            "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout
