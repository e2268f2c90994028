"""A search over versions of torch goes over the environments that exist, lower versions first."""

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
import pytest
from quick_python import quick_python

from harness.bisect.answer import answer_data, answer_lines
from harness.bisect.candidates import (
    BisectError,
    Candidate,
    TorchEnvironment,
    environments_in,
    torch_of,
    versions_between,
)
from harness.bisect.measuring import measure_in
from harness.bisect.results import StepResult
from harness.bisect.run import Search
from harness.bisect.step import measure_target
from harness.errors import HarnessError
from harness.setting import Setting

VERSIONS = {
    "cpu": "2.13.0+cpu",
    "docs": "",
    "torch20": "2.0.1",
    "torch210": "2.10.0",
    "torch213": "2.13.0",
    "torch28": "2.8.0",
}


def environments(folder: Path, versions: Mapping[str, str] = VERSIONS) -> tuple[TorchEnvironment, ...]:
    """Make a folder with an interpreter's file in each environment, and return what is read of it."""
    for name in versions:
        python = folder / name / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.touch()
    return environments_in(folder, lambda python: versions[python.parent.parent.name])


def test_environments_are_ordered_by_version_and_one_stands_for_equal_ones(tmp_path: Path) -> None:
    assert [(each.name, str(each.version)) for each in environments(tmp_path)] == [
        ("torch20", "2.0.1"),
        ("torch28", "2.8.0"),
        ("torch210", "2.10.0"),
        ("cpu", "2.13.0+cpu"),
    ]


def test_a_range_has_both_ends_and_what_is_between(tmp_path: Path) -> None:
    chosen = versions_between(environments(tmp_path), "2.8.0..2.13.0", tmp_path)

    assert [each.name for each in chosen] == ["torch28", "torch210", "cpu"]
    assert chosen[0].python == tmp_path / "torch28" / "bin" / "python"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("2.8.0", r"--torch 2\.8\.0 is not a range of versions; write 2\.8\.0\.\.2\.13\.0"),
        ("2.8.0...2.13.0", "is not a range of versions"),
        ("new..old", "is not a range of versions"),
        ("2.8.0..2.9.0", r"has torch 2\.9\.0; there are 2\.0\.1, 2\.8\.0, 2\.10\.0, 2\.13\.0; `tox"),
        ("2.13.0..2.8.0", "give the lower version first"),
        ("2.8.0..2.8.0", "give the lower version first"),
    ],
)
def test_a_range_that_is_none_is_refused_in_words(tmp_path: Path, given: str, said: str) -> None:
    with pytest.raises(BisectError, match=said):
        versions_between(environments(tmp_path), given, tmp_path)


def test_a_folder_without_environments_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BisectError, match="there is none yet"):
        versions_between(environments_in(tmp_path / "nothing"), "2.8.0..2.13.0", tmp_path)


def result(nodes: int) -> StepResult:
    return StepResult(values={"saved": 64, "peak": 128, "nodes": nodes, "operators": 5, "waits": 0})


def test_the_first_version_that_differs_is_found_and_nothing_is_kept(tmp_path: Path) -> None:
    good, *others = (Candidate(str(each.version), each.name) for each in environments(tmp_path))
    taken = {"2.0.1": 3, "2.8.0": 3, "2.10.0": 4, "2.13.0+cpu": 4}
    before = sorted(tmp_path.rglob("*"))
    answer = Search(good, others, lambda version: result(taken[version]), None, "").run()

    assert answer_lines(answer, "versions") == [
        "first bad: 2.10.0 torch210",
        "metric:    nodes 3 -> 4 (+1)",
        "steps:     2 of 3 versions",
    ]
    assert answer_data(answer)["first_bad"] == [{"name": "2.10.0", "title": "torch210"}]
    assert sorted(tmp_path.rglob("*")) == before


NETS = """
import sys
from torch import nn
import torch

def build():
    print("a line of the target's own")
    return nn.Sequential(nn.Linear(8, 16), nn.Sigmoid(), nn.Linear(16, 3)), torch.ones(4, 8)

def loop():
    net, x = build()
    return lambda: net(x).sum().backward()

def broken():
    raise OSError("no such machine")
"""


@pytest.mark.process
def test_the_version_of_an_interpreter_is_read_and_none_where_there_is_no_interpreter(tmp_path: Path) -> None:
    import torch

    assert torch_of(Path(sys.executable)).partition("+")[0] == torch.__version__.partition("+")[0]
    assert torch_of(tmp_path / "python") == ""


@pytest.fixture
def nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a folder with a module of targets, from which this process imports too."""
    (tmp_path / "nets.py").write_text(NETS)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("nets", None)


def as_sent(setting: Setting) -> dict[str, Any]:
    """Return the fields of a setting as the other process reads them."""
    fields: dict[str, Any] = json.loads(json.dumps(asdict(setting)))
    return fields


@pytest.mark.parametrize(
    ("target", "setting", "saved"),
    [
        # The output of the sigmoid, 4 x 16 floats, and that of the last layer for the square of it, 4 x 3.
        ("nets:build", Setting(), 4 * 16 * 4 + 4 * 3 * 4),
        ("nets:build", Setting(dtype="float64"), 4 * 16 * 8 + 4 * 3 * 8),
        ("nets:loop", Setting(), 4 * 16 * 4),
    ],
)
@pytest.mark.usefixtures("nets")
def test_a_step_measures_a_target(target: str, setting: Setting, saved: int) -> None:
    assert measure_target(target, as_sent(setting))["values"]["saved"] == saved


@pytest.mark.process
def test_a_target_is_measured_in_another_process(nets: Path) -> None:
    setting = Setting(dtype="float64")
    measured = measure_in(Path(quick_python()), nets, "nets:build", setting)

    assert measured.failed == ""
    assert measured == msgspec.convert(measure_target("nets:build", as_sent(setting)), StepResult)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("nets:broken", "no such machine"),
        ("nets:biuld", "nets has no 'biuld'; there are build"),
        ("nest:build", "no module 'nest'"),
    ],
)
@pytest.mark.usefixtures("nets")
def test_what_cannot_be_measured_says_why(target: str, said: str) -> None:
    with pytest.raises(HarnessError, match=re.escape(said)):
        measure_target(target, as_sent(Setting()))


@pytest.mark.process
def test_what_cannot_be_measured_says_why_in_a_line(nets: Path) -> None:
    said = measure_in(Path(quick_python()), nets, "nets:broken", Setting()).failed

    assert "no such machine" in said
    assert "\n" not in said


def test_an_interpreter_that_cannot_be_started_says_so(tmp_path: Path) -> None:
    said = measure_in(tmp_path / "python", tmp_path, "nets:build", Setting()).failed

    assert said == f"{tmp_path / 'python'} cannot be started: No such file or directory"


@pytest.mark.process
def test_an_interpreter_without_torch_says_so(tmp_path: Path) -> None:
    # -S leaves site-packages out, and torch with them.
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    python.chmod(0o755)

    assert "it has no torch" in measure_in(python, tmp_path, "nets:build", Setting()).failed


@pytest.mark.process
def test_a_module_of_the_working_tree_in_place_of_the_commits_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, tree = tmp_path / "project", tmp_path / "tree"
    for folder in (root / "code", tree):
        folder.mkdir(parents=True)
    (root / "code" / "nets.py").write_text(NETS)
    monkeypatch.setenv("PYTHONPATH", str(root / "code"))  # as an editable install of the working tree

    said = measure_in(Path(quick_python()), tree, "nets:build", Setting(), root=os.fspath(root)).failed

    assert said.startswith(f"it imports nets from {root}, which is the working tree and not that commit")
