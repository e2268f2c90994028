"""`harness duel`: exit statuses, files, what is printed at 80 columns, environments of tox."""

import json
from pathlib import Path

import pytest
from sides import fake
from typer.testing import CliRunner

from harness.commands import app
from harness.duel.process import DuelError
from harness.duel.session import Judged, tox_python
from harness.errors import HarnessError
from harness.judge.duel import judge_times
from harness.record.codec import UnreadableError
from harness.record.duel import decode_duel


def duel(*arguments: str, status: int = 0) -> str:
    done = CliRunner().invoke(app, ["duel", *arguments, "--no-pin", "--budget", "0.1"], env={"COLUMNS": "80"})
    assert done.exit_code == status, done.output
    return done.stdout


def test_a_worse_head_has_the_status_of_a_regression_and_the_verdict_comes_first(tmp_path: Path) -> None:
    base, head = fake(tmp_path, "base"), fake(tmp_path, "head", slower=1.02, environment={"python": "3.12.1"})
    files = {name: tmp_path / f"duel.{name}" for name in ("json", "html", "markdown")}
    options = [text for name, path in files.items() for text in (f"--{name}", str(path))]

    lines = duel(base, head, *options, status=1).splitlines()
    assert lines[0] == (
        "FAIL: 1 worse in 1 of 1 case; furthest in time: grad_mode/model/eval/cpu-float32-b1: grad +2.0 %"
    )
    assert "note: Python: 3.11.7 in the base, 3.12.1 in the head" in lines
    table = lines[lines.index("grad_mode/model/eval/cpu-float32-b1") + 1 :][:2]
    assert [line.split() for line in table] == [
        ["arm", "base", "head", "ratio", "verdict"],
        ["grad", "1", "ms", "1.02", "ms", "1.020", "slower", "by", "2", "%", "(2", "to", "2)"],
    ]
    assert "15 of 15 restarts of both sides (spawn), not pinned, 1 thread, floor 0.5 %, 2" in lines
    assert max(map(len, lines[1:])) <= max(80, len(str(tmp_path)) + 2)

    kept = json.loads(files["json"].read_text())
    assert (kept["verdict"], kept["times"][0]["judgement"]["verdict"]) == ("fail", "worse")
    again = decode_duel(files["json"].read_bytes())
    assert judge_times(again)[0].judgement.ratio == pytest.approx(1.02)
    samples = again.arms[0].samples
    assert samples is not None
    assert len(samples.arm) == 15
    assert Judged.of(again).outcome.fails
    page = files["html"].read_text()
    assert page.count("<circle") == 15
    assert "<script" not in page
    assert files["markdown"].read_text().startswith("### FAIL: 1 worse in 1 of 1 case\n")
    assert "<details><summary>All times</summary>" in files["markdown"].read_text()


def test_undecided_is_fine_unless_it_is_not_to_be(tmp_path: Path) -> None:
    sides = fake(tmp_path, "base"), fake(tmp_path, "head", slower=1.02)

    assert duel(*sides, "--restarts", "2").startswith(
        "PASS: nothing worse in 1 case; 1 exact value equal; 1 times"
    )
    duel(*sides, "--restarts", "2", "--strict", status=3)


def test_bad_input_is_one_line_for_the_command_line(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["duel", "no-such-thing", fake(tmp_path, "head")])

    assert isinstance(done.exception, HarnessError)
    assert str(done.exception).startswith(
        "base: 'no-such-thing' is neither an interpreter nor a revision of "
    )
    negative = CliRunner().invoke(app, ["duel", ".", ".", "--restarts", "-1"])
    assert str(negative.exception) == "restarts is -1; it is 0 or more"


def test_environments_of_tox_are_named_where_one_is_missing(tmp_path: Path) -> None:
    python = tmp_path / "torch28" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("")

    assert tox_python(tmp_path, "torch28") == str(python)
    with pytest.raises(
        DuelError,
        match=r"no tox environment torch215 in .*; there are torch28; `tox -e torch215 --notest` makes it",
    ):
        tox_python(tmp_path, "torch215")


def test_a_file_that_is_no_duel_is_refused() -> None:
    with pytest.raises(UnreadableError, match=r"x\.json is not a duel"):
        decode_duel(b"{}", "x.json")
