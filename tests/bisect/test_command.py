"""`harness bisect` on the command line: what it refuses, in one line and with exit status 2."""

import json
import sys
from pathlib import Path

import pytest
from anew import printed_anew
from typer.testing import CliRunner

from harness import HarnessError
from harness.commands import app


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nets:build"], "a search over commits has three arguments; write harness bisect GOOD BAD TARGET"),
        (["a", "b", "nets:build", "--metric", "time"], "no metric 'time'; there are saved, peak"),
        (["a", "b", "nets:build", "--torch", "2.8.0..2.13.0"], "with --torch there is one argument"),
        (["nets:build", "--torch", "2.8.0..2.13.0", "--state", "x"], "keeps nothing"),
        (["nets:build", "--torch", "2.8.0..2.13.0", "--tox", "there"], "no environment in there has torch"),
        (["a", "b", "nets:build", "--batch-size", "1,2"], "a search has one batch size; give 1 alone"),
        (["a", "b", "nets:build", "--dtype", "float31"], "no dtype 'float31'"),
        (["a", "b", "nets:build"], "is in no git repository"),
    ],
)
def test_what_cannot_be_searched_is_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)

    refused = CliRunner().invoke(app, ["bisect", *words])

    assert isinstance(refused.exception, HarnessError)
    assert said in str(refused.exception)


@pytest.mark.process
def test_a_step_needs_torch_and_the_standard_library_alone() -> None:
    script = (
        "import sys, torch; before = set(sys.modules);"
        "import harness.limiting.block, harness.duel.worker.strays, harness.bisect.step, harness.setting;"
        "import harness.workload.call, harness.workload.sources;"
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    )
    assert set(printed_anew(script).split()) - sys.stdlib_module_names <= {"harness", "torch"}


NETS = """
from importlib.metadata import version
from torch import nn
import torch

def build():
    layers = [nn.Linear(8, 16), nn.Sigmoid(), nn.Linear(16, 3)]
    if version("torch") in ("2.10.0", "2.11.0"):  # as a torch that does something else would
        layers.insert(2, nn.Tanh())
    return nn.Sequential(*layers), torch.ones(4, 8)
"""


@pytest.mark.slow
def test_a_search_goes_over_the_environments_of_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nets.py").write_text(NETS)
    for version in ("2.8.0", "2.9.1", "2.10.0", "2.11.0"):
        environment = tmp_path / "environments" / f"torch-{version}"
        (environment / "bin").mkdir(parents=True)
        metadata = environment / "packages" / f"torch-{version}.dist-info" / "METADATA"
        metadata.parent.mkdir(parents=True)
        metadata.write_text(f"Metadata-Version: 2.1\nName: torch\nVersion: {version}\n")
        python = environment / "bin" / "python"
        python.write_text(f'#!/bin/sh\nPYTHONPATH={environment}/packages exec {sys.executable} "$@"\n')
        python.chmod(0o755)
    monkeypatch.chdir(tmp_path)

    done = CliRunner().invoke(
        app,
        [
            "bisect",
            "--torch",
            "2.8.0..2.11.0",
            "--tox",
            "environments",
            "nets:build",
            "--json",
            "answer.json",
        ],
        catch_exceptions=False,
    )

    lines = done.stdout.splitlines()
    assert lines[0] == "first bad: 2.10.0 torch-2.10.0"
    assert lines[1].startswith("metric:    saved 304 B -> 560 B (+256 B)")
    assert lines[3:] == ["operator:  aten::tanh, 0 -> 1 calls", "steps:     2 of 3 versions"]
    answer = json.loads((tmp_path / "answer.json").read_text())
    assert answer["first_bad"] == [{"name": "2.10.0", "title": "torch-2.10.0"}]
    assert (answer["metric"], answer["before"], answer["after"]) == ("saved", 304, 560)
