"""Ways to end early: a run that lacks what was planned is never called complete, never a pass."""

import gc
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import runs

from harness.judge.gate import inspect
from harness.judge.limits import Limits
from harness.record.codec import encode
from harness.record.merge import merged
from harness.record.schema import Run
from harness.record.run_writer import RunWriter
from harness.record.store import load_run
from harness.report.outcomes import NoRunError, report_files, run_paths, trend_files
from harness.report.sentence import verdict_line

pytestmark = pytest.mark.process

pytest_plugins = ["pytester"]

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


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    """Undo what a measuring session does to the collector of the process."""
    yield
    gc.unfreeze()


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
        "-p", "no:cacheprovider", "--harness-budget", "0", "--harness-models", "mlp-relu,lstm", *options,
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


def test_a_folder_of_nothing_but_a_killed_run_says_so(tmp_path: Path) -> None:
    RunWriter(tmp_path, runs.run(id="killed"))

    with pytest.raises(NoRunError, match=r"what was interrupted is in .*killed\.partial"):
        run_paths([tmp_path])
    shutil.rmtree(tmp_path / "killed.partial")
