"""Every stored file has a reader, and the tables of this project are made again from their records."""

import functools
import re
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import msgspec
import pytest

from harness.errors import HarnessError
from harness.record.codec import UnreadableError
from harness.record.store import load_run
from harness.report.picture import run_picture
from harness.stored import READERS, document_of, reader_of, report_stored

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results"
RECORDS = RESULTS / "records"
TABLES = RESULTS / "tables"

# Where the tables of a record lie. The default heap's calibration is evidence of a decision, and has none.
FOLDERS = {
    "cpu": "tables/cpu",
    "h200": "tables/cuda",
    "h200-models": "tables/cuda/models",
    "claims": ".",
    "calibration": "tables",
    "calibration-load": "tables",
    "calibration-blocks": "tables",
    "calibration-blocks-load": "tables",
    "calibration-step-20": "tables",
    "calibration-step-5": "tables",
    "peers": "tables",
    "fits": "tables",
    "passes": "tables",
    "readers": "tables",
    "suites": "tables",
    "atlas": "tables",
    "duels": "tables/duel",
    "duel-torch20-torch213": "tables/duel",
    "duel-torch20-torch215": "tables/duel",
    "duel-torch213-torch215": "tables/duel",
}


def reported(path: Path, tables: Path | None = None, **forms: Path) -> str:
    """Return what the report of a stored file prints."""
    lines: list[str] = []
    assert report_stored([path], forms, tables, lines.append)
    return "\n".join(lines)


def is_drawn_alike(svg: str) -> bool:
    """Whether this version of matplotlib wrote a plot; another may write the same plot in other bytes."""
    return f"Matplotlib v{mpl.__version__}," in svg


def test_every_committed_table_is_made_again_from_its_record_byte_for_byte(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    made = {
        (Path(folder) / table).as_posix(): text
        for name, folder in FOLDERS.items()
        for table, text in document_of(RECORDS / f"{name}.json").tables().items()
    }
    shown = (*TABLES.rglob("*.*"), *RESULTS.glob("claims*"), *RESULTS.glob("claims/*"))
    committed = {
        path.relative_to(RESULTS).as_posix(): path.read_bytes().decode() for path in shown if path.is_file()
    }
    others = [
        name
        for name in made.keys() & committed.keys()
        if made[name] != committed[name] and (name.endswith(".md") or is_drawn_alike(committed[name]))
    ]

    assert others == []
    # A table across questions, which has its own test.
    assert committed.keys() == made.keys() | {"tables/cuda/savings.md"}


@functools.cache
def readmes_picture() -> str:
    return run_picture([load_run(RECORDS / "vit.json")])


def test_the_readmes_picture_is_made_again_from_its_record_byte_for_byte() -> None:
    committed = (ROOT / "docs" / "pictures" / "vit.svg").read_bytes().decode()

    assert not is_drawn_alike(committed) or readmes_picture() == committed


def test_a_picture_is_read_in_the_light_and_in_the_dark() -> None:
    picture = readmes_picture()

    assert "@media (prefers-color-scheme: dark){svg{color:#e6edf3}#patch_1>path{fill:#0d1117" in picture
    assert picture.count("#ffffff") == 1  # the ground, which the dark scheme replaces
    assert picture.index('id="patch_1"') < picture.index("#ffffff") < picture.index('id="axes_1"')


def test_a_picture_has_a_panel_a_question() -> None:
    run = load_run(RECORDS / "vit.json")
    alone = msgspec.structs.replace(run, records=run.records[1:])

    assert ['id="axes_2"' in each for each in (readmes_picture(), run_picture([alone]))] == [True, False]


def test_a_run_that_holds_no_memory_over_time_has_no_picture() -> None:
    with pytest.raises(HarnessError, match=r"^no run here has its memory over a step; give one that "):
        run_picture([load_run(RECORDS / "cpu.json")])


def test_the_command_writes_the_tables_of_all_files_that_it_is_given(tmp_path: Path) -> None:
    duels = sorted(RECORDS.glob("duel-*.json"))
    command = [sys.executable, "-m", "harness", "report", *map(str, duels), "--tables", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)  # noqa: S603 (this package)

    assert done.stdout.splitlines() == [
        str(tmp_path / f"{path.stem.removeprefix('duel-')}.md") for path in duels
    ]
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (TABLES / "duel" / path.name).read_bytes()


@pytest.mark.parametrize("path", sorted(RECORDS.glob("*.json")), ids=lambda path: path.stem)
def test_every_record_has_a_reader(path: Path) -> None:
    reader = reader_of(path)

    assert reader is not None
    assert document_of(path).what == reader.what


def test_a_kind_is_told_by_fields_that_no_other_kind_has() -> None:
    for reader in READERS:
        assert not any(reader.fields <= other.fields for other in READERS if other is not reader)


def test_a_baseline_is_shown_as_a_table() -> None:
    (path,) = (ROOT / "results" / "baselines").glob("*.json")
    said = reported(path)

    assert said.startswith("# Exact values of torch2.13.0-cpu-1t-float32-cpu-AVX2\n")
    assert re.search(r"^\| control/.*\| +peak \| +[\d,]+ \|$", said, re.MULTILINE)


def test_a_duel_becomes_a_page(tmp_path: Path) -> None:
    said = reported(RECORDS / "duel-torch20-torch213.json", html=tmp_path / "duel.html")

    assert said == str(tmp_path / "duel.html")
    assert "Time of head against base" in (tmp_path / "duel.html").read_text(encoding="utf-8")


def test_a_format_that_a_file_does_not_have_is_refused_with_those_that_it_has(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"^a calibration has no --bencher; it has --markdown$"):
        report_stored([RECORDS / "calibration.json"], {"bencher": tmp_path / "x"}, None, print)


def test_runs_are_left_to_the_report_of_runs() -> None:
    assert not report_stored([RECORDS / "cpu.json"], {}, None, print)


def test_runs_and_others_are_refused_together() -> None:
    with pytest.raises(HarnessError, match="give runs alone, or one other file"):
        report_stored([RECORDS / "cpu.json", RECORDS / "peers.json"], {}, None, print)


def test_a_file_of_an_unknown_kind_is_refused_with_the_kinds_that_are_known(tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text('{"answer": 42}')

    with pytest.raises(UnreadableError, match="give a run, a duel, claims, a calibration, a baseline"):
        document_of(path)


def test_what_is_not_json_is_left_to_the_report_of_runs_which_says_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "text.json"
    path.write_text("[1,")

    assert reader_of(path) is None
    assert not report_stored([path], {}, None, print)
    with pytest.raises(UnreadableError, match="is not a stored file that is known here"):
        document_of(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="cannot be read: No such file"):
        reader_of(tmp_path / "missing.json")


def test_away_from_the_repository_a_file_of_its_own_says_where_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shutil.copy(RECORDS / "peers.json", tmp_path)
    monkeypatch.setattr(sys, "path", [item for item in sys.path if item not in ("", str(ROOT))])
    monkeypatch.chdir(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "bench"]:
        monkeypatch.delitem(sys.modules, name)

    with pytest.raises(HarnessError, match="run this in the root of the repository of autograd-harness"):
        document_of(Path(path))
