"""`harness fit` from a shell: what it prints, what it writes, and how it exits."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from click.testing import Result
from typer.testing import CliRunner

from harness.commands import app
from harness.errors import HarnessError

_NETS = """
import torch
from torch import nn

def make(batch_size=32):
    blocks = [nn.Sequential(nn.Linear(16, 64), nn.GELU(), nn.Linear(64, 16)) for _ in range(4)]
    return nn.Sequential(*blocks, nn.Linear(16, 4)), torch.randn(batch_size, 16)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "fit_nets.py").write_text(_NETS)
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    yield tmp_path
    torch.set_num_threads(threads)
    sys.modules.pop("fit_nets", None)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["fit", *arguments])


def test_a_model_of_ones_own_is_fitted(folder: Path) -> None:
    done = run("fit_nets:make", "--in", "160KB", "--budget", "0", "--json", "fit.json", "--html", "fit.html")

    assert done.exit_code == 0
    assert done.stdout.startswith("fits 160KB: ")
    assert max(map(len, done.stdout.splitlines())) <= 80
    told = json.loads((folder / "fit.json").read_text())
    assert told["plan"]["peak"] <= 160_000 < told["untouched"]["peak"]
    assert (folder / "fit.html").read_text().startswith("<!doctype html>")


@pytest.mark.usefixtures("folder")
def test_a_limit_that_is_met_exits_with_zero() -> None:
    done = run("fit_nets:make", "--in", "1GiB", "--budget", "0")

    assert done.exit_code == 0
    assert done.stdout.startswith("fits 1GiB as it is")


@pytest.mark.usefixtures("folder")
def test_where_nothing_fits_the_status_is_one() -> None:
    done = run("fit_nets:make", "--in", "60KB", "--budget", "0")

    assert done.exit_code == 1
    assert done.stdout.startswith("nothing fits 60KB: the least that was run needs ")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--in", "8G"), "'8G' is not an amount of memory; write 500MB, 8GiB, or 4096B"),
        (("--in", "0"), "'0' is not an amount of memory; write 500MB, 8GiB, or 4096B"),
        (
            ("--allow", "all"),
            "nothing called 'all' can be allowed; there are freeze, dtype, optimizer, batchnorm",
        ),
        (("--threads", "-1"), "-1 threads cannot run; give 0 (torch's own choice) or more"),
    ],
)
def test_bad_input_is_one_line_and_status_two(arguments: tuple[str, ...], line: str) -> None:
    done = run("fit_nets:make", *arguments)

    assert isinstance(done.exception, HarnessError)  # the program turns it into one line and status 2
    assert str(done.exception) == line


@pytest.mark.usefixtures("folder")
def test_the_program_prints_a_refusal_in_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "harness", "fit", "fit_nets:make", "--in", "8G"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert done.stderr.startswith("harness: '8G' is not an amount of memory; write 500MB, 8GiB")
    assert done.stderr.count("\n") == 1


_FREEING = """
import torch
from torch import nn

HELD = [torch.ones(4096) for _ in range(100)]

class Freeing(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.Sequential(*[nn.Linear(16, 16) for _ in range(4)])

    def forward(self, rows):
        if HELD:
            HELD.pop()
        return self.blocks(rows)

def freeing(batch_size=32):
    return Freeing(), torch.randn(batch_size, 16)
"""


def test_torch_writes_no_warnings_of_its_own_between_the_lines(folder: Path) -> None:
    (folder / "fit_freeing.py").write_text(_FREEING)  # its profiler warns of what it did not see allocated
    ran = subprocess.run(
        [sys.executable, "-m", "harness", "fit", "fit_freeing:freeing", "--in", "20KiB", "--budget", "0"],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name != "TORCH_CPP_LOG_LEVEL"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "measuring the pieces" in ran.stderr
    assert ".cpp:" not in ran.stderr
