"""On how many threads exact passes and times run, and what limits them."""

import json
import os
import time
from pathlib import Path

import pytest
import torch
from fakes import fake_entry
from torch import nn
from typer.testing import CliRunner

from harness.commands import app
from harness.measure import processors
from harness.measure.processors import threads_of_exact, usable_threads, working_on
from harness.record.store import load_run
from harness.workload.models import MODELS


@pytest.fixture
def four_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of four, without a quota."""
    monkeypatch.setattr(processors, "processors", lambda: 4)
    monkeypatch.setattr(processors, "system_text", lambda _path: "max 100000")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


@pytest.mark.usefixtures("four_processors")
@pytest.mark.parametrize(
    ("quota", "omp", "threads"),
    [
        ("max 100000", "", 4),
        ("250000 100000", "", 2),  # of a container: two and a half
        ("50000 100000", "", 1),
        ("", "", 4),  # no such file
        ("max 100000", "3", 3),
        ("max 100000", "3,2", 3),  # for nested regions
        ("max 100000", "8", 4),
        ("max 100000", "many", 4),
        ("200000 100000", "3", 2),
    ],
)
def test_no_more_threads_are_usable_than_container_and_person_allow(
    quota: str, omp: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processors, "system_text", lambda _path: quota)

    assert usable_threads({"OMP_NUM_THREADS": omp}) == threads


@pytest.mark.usefixtures("four_processors")
def test_a_large_model_on_a_cpu_is_read_on_all_processors_and_nothing_else_is() -> None:
    with torch.device("meta"):
        large, small = nn.Linear(10_000, 1_000), nn.Linear(10, 10)
    with working_on(1):
        assert threads_of_exact(large, "cpu") == 4
        assert threads_of_exact(small, "cpu") == 1
        assert threads_of_exact(large, "cuda") == 1


@pytest.mark.usefixtures("four_processors")
def test_a_torch_that_cannot_go_back_to_fewer_threads_stays_on_those_it_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.__config__, "parallel_info", lambda: "ATen parallel backend: native thread pool")
    with torch.device("meta"):
        large = nn.Linear(10_000, 1_000)
    with working_on(1):
        assert threads_of_exact(large, "cpu") == 1


def test_torch_says_on_what_its_threads_are_built() -> None:
    assert "ATen parallel backend: " in torch.__config__.parallel_info()


def test_threads_are_put_back_also_after_a_failure() -> None:
    before = torch.get_num_threads()
    with pytest.raises(ValueError, match="no luck"), working_on(before + 1):
        assert torch.get_num_threads() == before + 1
        raise ValueError("no luck")

    assert torch.get_num_threads() == before


@pytest.mark.process
@pytest.mark.usefixtures("four_processors")
@pytest.mark.parametrize(
    ("options", "exact", "timed"),
    [((), 4, 1), (("--threads", "2"), 2, 2), (("--threads", "1"), 1, 1)],
)
def test_bytes_are_read_on_all_processors_and_times_are_taken_on_one_unless_told(
    options: tuple[str, ...], exact: int, timed: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(processors, "_MANY_PARAMETERS", 1)
    seen: list[int] = []
    monkeypatch.setitem(
        MODELS, "fake", fake_entry("fake", lambda _module: seen.append(torch.get_num_threads()))
    )
    file = tmp_path / "run.json"
    words = ["measure", "fake", "--question", "grad_mode", "--no-curve", "--budget", "0.02"]
    with working_on(torch.get_num_threads()):
        done = CliRunner().invoke(app, [*words, *options, "--json", str(file)])

    assert done.exit_code == 0, done.stderr
    where = load_run(file).environment
    assert (where.threads_of_exact, where.threads) == (exact, timed)
    assert list(dict.fromkeys(seen)) == list(dict.fromkeys((exact, timed)))  # bytes first, then times
    assert seen[0] == exact
    assert seen[-1] == timed
    told = "exact numbers on 4 threads" in " ".join(done.stderr.split())
    assert told == (not options)
    assert ("exact_threads" in json.loads(file.read_text())["environment"]) or exact == timed


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are looked at through /proc")
def test_threads_that_are_not_needed_any_more_rest_while_times_are_taken() -> None:
    work = torch.ones(2_000, 2_000)
    with working_on(2):
        work @ work
    time.sleep(1.0)  # how long a thread spins is the matter of the library
    before = _ticks_of_others()
    until = time.process_time() + 1.0
    while time.process_time() < until:
        work @ work

    assert _ticks_of_others() == before


def _ticks_of_others() -> dict[str, int]:
    """Return the processor time of all threads but this one, in ticks."""
    ticks = {}
    for task in Path("/proc/self/task").iterdir():
        if task.name != str(os.getpid()):
            fields = (task / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            ticks[task.name] = int(fields[11]) + int(fields[12])
    return ticks
