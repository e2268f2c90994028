"""Each kind of broken or hostile file through `harness report`: taken or refused in a line, never more."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.__main__ import main

GOLDEN = Path(__file__).parent / "golden" / "run-1.json"
ALLOCATED = {"parts": ["forward"], "marks": [0.0, 0.1], "times": [0.01], "levels": [1]}
FIT = {"case": {"question": "grad_mode", "model": "m", "batch_size": 64}, "limit": 9, "runs": []}
SHARE = {"category": "saved", "bytes": 0, "blocks": 0}

Data = dict[str, Any]


def arm(data: Data, **changes: object) -> None:
    data["records"][0]["arms"][0].update(changes)


def case(data: Data, **changes: object) -> None:
    data["records"][0]["case"].update(changes)


def axis(data: Data) -> None:
    for place, each in enumerate(data["records"][0]["arms"]):
        each["axis"] = place
        each["counts"].pop("peak", None)


def named(data: Data, name: str) -> None:
    data["metrics"][1]["name"] = name
    data["records"][0]["columns"] = [name]
    counts = data["records"][0]["arms"][0]["counts"]
    counts[name] = counts.pop("peak")


def samples(data: Data, **changes: object) -> None:
    data["records"][0]["arms"][0]["timings"][0].update(changes)


REFUSED: dict[str, tuple[Callable[[Data], object], str]] = {
    "peak of 0": (
        lambda data: arm(
            data, attribution={"peak": 0, "above_start": 0, "part": "forward", "shares": [SHARE]}
        ),
        "a peak of 0 B has shares",
    ),
    "shares beyond the peak": (
        lambda data: arm(
            data, attribution={"peak": 9, "above_start": 0, "part": "forward", "shares": [SHARE]}
        ),
        "add up to 0 B, and the peak is 9 B",
    ),
    "fit without its batch": (lambda data: data.update(fits=[FIT]), "has no run of 64"),
    "fit without the next": (lambda data: data.update(fits=[{**FIT, "runs": [[64, 5]]}]), "no run of 65"),
    "NUL": (lambda data: case(data, question="a\0b"), "'a\\x00b' holds a NUL character"),
    "more levels than times": (
        lambda data: arm(data, allocated={**ALLOCATED, "levels": [1, 2]}),
        "the timeline has 1 times and 2 levels",
    ),
    "holders of fewer": (
        lambda data: arm(data, allocated={**ALLOCATED, "levels": [1], "holders": ["h"], "of": [0, 0]}),
        "the timeline has 1 levels, and a holder for 2",
    ),
    "no holder": (
        lambda data: arm(data, allocated={**ALLOCATED, "levels": [1], "holders": ["h"], "of": [1]}),
        "the timeline names a holder that it does not have",
    ),
    "no marks": (lambda data: arm(data, allocated={**ALLOCATED, "marks": []}), "0 marks for 1 parts"),
    "beyond a float": (
        lambda data: arm(data, counts={"peak": 10**400}),
        ".records[0].arms[0].counts: a count beyond",
    ),
    "a long text": (
        lambda data: case(data, variant="x" * 1_000_000),
        "case.variant: a text of 1,000,000 characters; 100,000 are the most",
    ),
    "not paired": (lambda data: samples(data, arm=[[1.0], [1.0]]), "the samples of 'time' are not paired"),
    "an endless sample": (lambda data: samples(data, arm=[[1e90] * 2] * 2), "outside 1e-15 to 1e+09 s"),
    "no batch": (lambda data: case(data, batch_size=0), "has a batch of 0"),
    "the axis twice": (
        lambda data: [each.update(axis=0) for each in data["records"][0]["arms"]],
        "place 0 of its axis is there twice",
    ),
    "ranks that disagree": (
        lambda data: arm(
            data,
            ranks=[
                {"rank": 0, "host": "", "device": "cpu"},
                {
                    "rank": 1,
                    "host": "",
                    "device": "cpu",
                    "timings": data["records"][0]["arms"][0]["timings"],
                },
            ],
        ),
        "some ranks were timed and some not",
    ),
    "an error that quotes the file": (
        lambda data: arm(data, status="x" * 50_000),
        "Invalid enum value",
    ),
}

TAKEN: dict[str, Callable[[Data], object]] = {
    "axis without its metric": axis,
    "right to left": lambda data: case(data, model="abc\N{RIGHT-TO-LEFT OVERRIDE}gnp.exe"),
    "markup in a column": lambda data: named(data, "peak|x|\n\n# injected <img src=x>\n"),
    "unknown column": lambda data: data["records"][0].update(columns=["nope"]),
    "markup in a command": lambda data: data.update(command="x` ![i](https://e.example/i.png) <img src=x> `"),
    "formulas": lambda data: arm(data, arm="$\\frac{"),
    "escapes": lambda data: case(data, model="m\x1b]0;x\x07\x1b[31m\x9b2J"),
    "mention": lambda data: case(data, model="@octocat #1 https://e.example"),
    "path above": lambda data: case(data, question="../../../x"),
    "path from the root": lambda data: case(data, question="/x"),
    "saved of 0": lambda data: arm(data, saved=[SHARE]),
    "markup in a version": lambda data: data["environment"].update(torch="2.9|<img src=x>\n# injected"),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder deep inside another, from which names may try to get out."""
    inner = tmp_path / "a" / "b" / "c"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    monkeypatch.setattr(
        sys,
        "argv",
        ["harness", "report", "f.json", "--markdown", "s.md", "--html", "p.html", "--tables", "t"],
    )
    return inner


def broken(change: Callable[[Data], object]) -> None:
    data = json.loads(GOLDEN.read_text())
    change(data)
    Path("f.json").write_text(json.dumps(data))


@pytest.mark.parametrize("kind", REFUSED)
def test_a_broken_file_is_refused_in_one_line(
    kind: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change, says = REFUSED[kind]
    broken(change)

    with pytest.raises(SystemExit) as ended:
        main()

    err = capsys.readouterr().err
    assert ended.value.code == 2
    assert says in err
    assert err.count("\n") == 1
    assert len(err) <= 401
    assert [path.name for path in folder.iterdir()] == ["f.json"]


@pytest.mark.parametrize("kind", TAKEN)
def test_a_hostile_name_is_shown_and_writes_in_its_folder_alone(
    kind: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken(TAKEN[kind])

    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == 0
    assert "Traceback" not in capsys.readouterr().err
    files = [path for path in folder.parents[2].rglob("*") if path.is_file()]
    assert sorted(path.relative_to(folder).parts[0] for path in files) == ["f.json", "p.html", "s.md", "t"]
    assert not any("<img" in path.read_text() and path.suffix == ".html" for path in files)


@pytest.mark.parametrize("text", ["[" * 200_000, '{"records":' * 200_000, '{"schema":1,"x":' + "[" * 200_000])
def test_brackets_without_end_are_refused(
    text: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("f.json").write_text(text)

    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert [path.name for path in folder.iterdir()] == ["f.json"]
