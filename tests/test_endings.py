"""Ways to end early: a run that lacks what was planned is never called complete, never a pass."""

import os
import shutil
import sys
from pathlib import Path

import pytest
import runs
from quick_python import quick_python

import harness.report.page  # noqa: F401 (pytester unloads what is new after each suite, matplotlib too)
from harness.judge.gate import inspect
from harness.judge.limits import Limits
from harness.record.codec import encode
from harness.record.merge import merged
from harness.record.run_writer import RunWriter
from harness.record.schema import Run
from harness.record.store import load_run
from harness.report.outcomes import NoRunError, report_files, run_paths, trend_files
from harness.report.sentence import verdict_line

pytestmark = pytest.mark.process

pytest_plugins = ["pytester"]

# Plugins that take seconds to load, and that each session would load anew.
QUICK = [f"-pno:{name}" for name in ("cacheprovider", "hypothesispytest", "anyio")]

# The second case ends in its own way; another follows it.
SUITE = """
import pytest

from torch import nn
import torch

def small():
    return nn.Linear(4, 4), torch.randn(2, 4)

@pytest.mark.harness_question("grad_mode")
def test_first(harness_measure, question, case, arm):
    {first}
    harness_measure(question, case, arm)
"""


@pytest.mark.parametrize(
    ("first", "options"),
    [
        ("raise ValueError", ["-x"]),
        ("raise ValueError", ["--maxfail=1"]),
        ("pytest.fail('a timeout ends a test so')", []),
        ("raise SystemExit(0)", []),
        ("pytest.exit('over')", []),
        ("raise KeyboardInterrupt", []),
    ],
)
def test_a_session_that_ended_early_is_not_complete(
    pytester: pytest.Pytester, first: str, options: list[str]
) -> None:
    pytester.makepyfile(
        test_bench=SUITE.format(first=f"if case.model == 'lstm':\n        {first}"),
    )
    pytester.runpytest_inprocess(
        *QUICK, "--harness-budget", "0", "--harness-models", "mlp-relu,lstm", *options,
        no_reraise_ctrlc=True,
    )  # fmt: skip

    kept = [load_run(path) for path in Path("results/runs").glob("*.json")]
    assert len(kept) == 1
    assert kept[0].planned
    outcome = inspect(kept[0], Limits())
    assert outcome.fails
    if kept[0].missing:
        assert not kept[0].complete
    assert verdict_line([outcome]).startswith("FAIL: ")


WORKERS = (*QUICK, "-n", "2", "--harness-budget", "0")
BUILT = """
import os
import signal
import sys

import torch
from torch import nn


CALLS = [0]


class Ends(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(4, 4)

    def forward(self, given):
        CALLS[0] += 1
        if CALLS[0] > 3:  # it is being measured by then
            {way}
        return self.inner(given)


def build(batch_size=2):
    return Ends(), torch.randn(batch_size, 4)
"""


def only_run(folder: Path) -> Run:
    (path,) = [*folder.glob("results/runs/*.json"), *folder.glob("results/runs/*.partial")]
    return load_run(path)


def test_workers_write_one_run_of_all_cases(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", quick_python())
    pytester.makepyfile(test_bench=SUITE.format(first=""))
    done = pytester.runpytest_subprocess(*WORKERS, "--harness-models", "mlp-relu,lstm")
    run = only_run(pytester.path)

    assert done.ret == 0
    assert run.complete
    assert [(record.case.model, len(record.arms)) for record in run.records] == [("mlp-relu", 3), ("lstm", 3)]
    assert len(run.planned) == 6
    assert not any(arm.timings for record in run.records for arm in record.arms)  # as pytest-benchmark has it
    assert "lstm" in (pytester.path / "results" / "tables" / "cpu" / "grad_mode.md").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("way", "first", "options"),
    [
        ("", "raise ValueError", ["-x"]),
        ("os._exit(0)", "", []),
        ("os.kill(os.getpid(), signal.SIGKILL)", "", []),
        ("sys.exit(0)", "", []),
        ("", "import shutil; shutil.rmtree('results')", []),
    ],
)
def test_workers_that_end_early_leave_what_is_not_complete(
    pytester: pytest.Pytester, way: str, first: str, options: list[str]
) -> None:
    pytester.makepyfile(mine=BUILT.format(way=way or "pass"))
    last = f"if (case.model, arm) == ('mlp-relu', 'inference_mode'):\n        {first or 'pass'}"
    pytester.makepyfile(test_bench=SUITE.format(first=last))
    done = pytester.runpytest_subprocess(
        *WORKERS, *options, "--harness-models", "linear,mine:build,lstm,mlp-relu"
    )
    kept = [load_run(path) for path in pytester.path.glob("results/runs/*.json")]

    assert done.ret not in (0, None)
    assert all(inspect(run, Limits()).fails for run in kept)
    assert len(kept) == 1 or "rmtree" in first
    if "sys.exit" not in way:  # which is the failure of an arm, and the rest goes on
        assert not any(run.complete for run in kept)
        assert not (pytester.path / "results" / "tables").exists()


@pytest.mark.parametrize("way", ["os._exit(0)", "os.kill(os.getpid(), signal.SIGKILL)", "sys.exit(0)"])
@pytest.mark.parametrize("door", ["pytest", "measure"])
@pytest.mark.slow
def test_a_model_that_ends_the_process_is_no_success(pytester: pytest.Pytester, way: str, door: str) -> None:
    pytester.makepyfile(mine=BUILT.format(way=way), test_bench=SUITE.format(first=""))
    if door == "pytest":
        done = pytester.runpytest_subprocess(
            "-p", "no:cacheprovider", "--harness-budget", "0", "--harness-models", "linear,mine:build"
        )
    else:
        measure = ["-m", "harness", "measure", "mine:build", "--time", "0", "--json", "run.json"]
        done = pytester.run(sys.executable, *measure)

    assert done.ret != 0
    assert "PASS" not in done.stdout.str()
    if door == "pytest":
        assert inspect(only_run(pytester.path), Limits()).fails


def test_what_is_removed_in_the_middle_is_no_success(pytester: pytest.Pytester) -> None:
    last = "if arm == 'inference_mode':\n        import shutil; shutil.rmtree('results')"
    pytester.makepyfile(test_bench=SUITE.format(first=last))
    done = pytester.runpytest_inprocess(*QUICK, "--harness-budget", "0", "--harness-models", "linear,lstm")
    run = only_run(pytester.path)

    assert done.ret == pytest.ExitCode.TESTS_FAILED
    assert not run.complete
    assert {arm for _, arm in run.missing} == {"grad", "no_grad", "inference_mode"}


def planned(*there: str) -> Run:
    cases = [runs.case(name) for name in ("a", "b")]
    records = [runs.record(case, runs.arm("grad")) for case in cases if case.model in there]
    plan = tuple((case.id, "grad") for case in cases)
    return runs.run(*records, planned=plan, complete=len(there) == 2, id="+".join(there))


def test_what_is_missing_is_named() -> None:
    outcome = inspect(planned("a"), Limits())

    assert outcome.findings[0].detail == (
        "1 of 2 planned arms are missing: grad_mode/b/eval/cpu-float32-b8: grad"
    )


def test_what_one_worker_did_not_measure_another_may_have() -> None:
    whole, *others = merged([planned("a"), planned("b")])
    half, *_ = merged([planned("a")])

    assert not others
    assert whole.complete
    assert not half.complete


def test_the_folder_of_a_killed_run_is_in_nobodys_way(tmp_path: Path) -> None:
    killed = RunWriter(tmp_path, runs.run(id="killed"))
    killed.add(runs.record(runs.case(), runs.arm("grad")))
    (tmp_path / "killed.partial" / ".000001.json.x").write_bytes(b"{half")
    for name in ("one", "two"):
        (tmp_path / f"{name}.json").write_bytes(encode(runs.run(id=name)))

    assert [path.name for path in run_paths([tmp_path])] == ["one.json", "two.json"]
    assert len(trend_files([tmp_path]).points) == 2
    loaded, _ = report_files([tmp_path / "one.json"], None, tmp_path / "pyproject.toml")
    assert loaded[0].id == "one"
    assert not load_run(tmp_path / "killed.partial").complete


def killed_session(folder: Path, *arms: str) -> None:
    """Leave what a session leaves that is killed while it writes its last record."""
    child = os.fork()
    if child == 0:
        writer = RunWriter(folder, runs.run(id="killed"))
        if arms:
            writer.add(runs.record(runs.case(), *map(runs.arm, arms)))
        (folder / "killed.partial" / ".000000.json.abcdefgh").write_bytes(b"{half")
        os._exit(9)
    os.waitpid(child, 0)


def next_session(folder: Path, *arms: str) -> list[str]:
    writer = RunWriter(folder, runs.run(id="next"))
    writer.add(runs.record(runs.case(), *map(runs.arm, arms)))
    writer.finish(complete=True)
    return sorted(path.name for path in folder.iterdir())


def test_the_next_session_clears_what_holds_nothing_that_it_has_not(tmp_path: Path) -> None:
    killed_session(tmp_path)
    assert next_session(tmp_path, "grad") == ["next.json"]

    (tmp_path / "next.json").unlink()
    killed_session(tmp_path, "grad")
    (tmp_path / ".other.json.abcdefgh").write_bytes(b"{half")
    assert next_session(tmp_path, "grad", "no_grad") == ["next.json"]


def test_the_next_session_leaves_what_it_did_not_measure_itself(tmp_path: Path) -> None:
    killed_session(tmp_path, "grad", "no_grad")

    assert next_session(tmp_path, "grad") == ["killed.partial", "next.json"]
    assert sorted(path.name for path in (tmp_path / "killed.partial").iterdir()) == [
        "000000.json",
        "run.json",
    ]


def test_a_session_that_goes_on_is_not_cleared_by_another(tmp_path: Path) -> None:
    going_on = RunWriter(tmp_path, runs.run(id="first"))

    assert next_session(tmp_path, "grad") == ["first.partial", "next.json"]
    assert going_on.finish(complete=True).id == "first"


def test_a_folder_of_nothing_but_a_killed_run_says_so(tmp_path: Path) -> None:
    RunWriter(tmp_path, runs.run(id="killed"))

    with pytest.raises(NoRunError, match=r"what was interrupted is in .*killed\.partial"):
        run_paths([tmp_path])
    shutil.rmtree(tmp_path / "killed.partial")
