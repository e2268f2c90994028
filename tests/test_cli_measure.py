"""`harness measure` from a shell: what it prints where, what it keeps, and how it exits."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import Result
from quick_python import quick_python
from typer.testing import CliRunner

from harness.commands import app
from harness.record.store import load_run

pytestmark = pytest.mark.process

_NETS = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList(nn.Linear(8, 8) for _ in range(3))
        self.head = nn.Linear(8, 2)

    def forward(self, hidden):
        for block in self.blocks:
            hidden = nn.functional.gelu(block(hidden))
        if len(hidden) == 13:
            torch.empty(2**50)
        return self.head(hidden)

def make(batch_size=4):
    return Net(), torch.randn(batch_size, 8)

def raises():
    raise ValueError("no luck")
"""


def _harness(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command, as a shell in that folder would."""
    (folder / "my_nets.py").write_text(_NETS)
    command = Path(sys.executable).with_name("harness")
    return subprocess.run(  # noqa: S603 (the installed command)
        [quick_python(), str(command), "measure", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "80"},
    )


def _in_this_process(folder: Path, patch: pytest.MonkeyPatch, *arguments: str) -> Result:
    """Run the command as in that folder; torch, which takes seconds to load, is loaded."""
    (folder / "my_nets.py").write_text(_NETS)
    patch.chdir(folder)
    try:
        return CliRunner().invoke(app, ["measure", *arguments])
    finally:
        sys.modules.pop("my_nets", None)


def test_a_model_in_a_plain_folder_is_measured_and_written_down(tmp_path: Path) -> None:
    done = _harness(
        tmp_path, "my_nets:make", "--budget", "0", "--batch-size", "4,8", "--question", "grad_mode",
        "--json", "run.json", "--html", "page.html", "--trace", "trace.json",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    run = load_run(tmp_path / "run.json")
    assert run.complete
    assert run.command.startswith("harness measure my_nets:make --budget 0")
    grad, no_grad = (run.records[0].arm(name) for name in ("grad", "no_grad"))
    assert grad is not None
    assert no_grad is not None
    spared = grad.counts["retained"] - no_grad.counts["retained"]
    told = re.search(r"no_grad saves ([\d.]+) (KiB|B) of what a pass holds", done.stdout)
    assert told is not None
    assert float(told.group(1)) * {"B": 1, "KiB": 1024}[told.group(2)] == spared
    assert " in all, in its forward part: " in done.stdout
    assert "Where the memory of grad is" not in done.stdout  # it is what -v shows
    assert "Against batch size" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")
    assert json.loads((tmp_path / "trace.json").read_text())["traceEvents"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["my_nets:raises"], "harness: my_nets:raises raised ValueError: no luck"),
        (["my_nets:make", "--device", "tpu"], "harness: no device 'tpu'; there are cpu and cuda"),
        (
            ["my_nets:make", "--memory-history", "history.pickle"],
            (
                "harness: a memory history is kept by CUDA's allocator, and device 'cpu' has none; --trace"
                " writes the memory of a step on the CPU"
            ),
        ),
        (
            ["my_nets:make", "--memory-format", "nhwc"],
            (
                "harness: no memory format 'nhwc'; there is channels_last, and without one tensors are"
                " contiguous"
            ),
        ),
        (["my_nets:make", "--batch-size", "two"], "harness: 'two' are not batch sizes; write 8, or 1,2,4,8"),
    ],
)
def test_a_refusal_is_one_line_and_exits_with_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], line: str
) -> None:
    done = _in_this_process(tmp_path, monkeypatch, *arguments)
    assert (done.exit_code, done.stderr) == (2, line + "\n")


def test_the_traceback_follows_the_line_where_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = _in_this_process(tmp_path, monkeypatch, "my_nets:raises", "--traceback")
    first, _, rest = done.stderr.partition("\n")
    assert first == "harness: my_nets:raises raised ValueError: no luck"
    assert 'raise ValueError("no luck")' in rest
    assert done.exit_code == 2


def test_what_was_finished_is_kept_when_one_batch_runs_out_of_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = _in_this_process(
        tmp_path, monkeypatch, "my_nets:make", "--budget", "0", "--batch-size", "4,13,8",
        "--question", "grad_mode", "--no-curve", "--json", "run.json",
    )  # fmt: skip
    assert done.exit_code == 2
    assert done.stderr.startswith("harness: batch size 13: the model's forward pass")
    assert "Traceback" not in done.stderr
    run = load_run(tmp_path / "run.json")
    assert [(record.case.batch_size, record.arms[0].status) for record in run.records] == [
        (4, "ok"),
        (13, "failed"),
        (8, "ok"),
    ]


@pytest.mark.skipif(os.name != "posix", reason="needs a shell with pipes")
def test_a_reader_that_goes_away_ends_nothing_that_is_measured(tmp_path: Path) -> None:
    (tmp_path / "my_nets.py").write_text(_NETS)
    options = "--time 0 --no-curve --question grad_mode --json run.json"
    words = f"{sys.executable} -m harness measure my_nets:make {options}"
    done = subprocess.run(  # noqa: S602 (a literal line)
        f"({words}; echo status $? >&2) | head -n 1",
        shell=True,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout.startswith("What does recording")
    assert done.stderr.splitlines()[-1] == "status 0"
    assert "sys.exit" not in done.stderr
    assert load_run(tmp_path / "run.json").complete
