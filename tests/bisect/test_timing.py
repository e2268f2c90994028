"""A search by time: what a duel says of a candidate, and a planted slowdown that is found."""

import subprocess
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.bisect import timing
from harness.bisect.answer import answer_lines
from harness.bisect.candidates import BisectError, Candidate
from harness.bisect.results import StepResult
from harness.bisect.run import Search
from harness.bisect.timing import TimedSteps, result_of
from harness.commands import app
from harness.judge.duel import Timed
from harness.judge.verdict import Judgement, Verdict
from harness.setting import Setting


def timed(arm: str, verdict: Verdict, ratio: float) -> Timed:
    return Timed("case", arm, "time", 1e-3, ratio * 1e-3, Judgement(verdict, ratio, None, None, "", 12))


def test_a_decided_time_is_in_millionths_and_one_that_is_not_is_left_out() -> None:
    times = [
        timed("grad", Verdict.WORSE, 1.021),
        timed("no_grad", Verdict.SAME, 1.001),
        timed("inference_mode", Verdict.UNDECIDED, 1.01),
    ]

    assert result_of(times).values == {"time of grad": 1_021_000, "time of no_grad": 1_000_000}


def test_where_nothing_is_decided_the_reason_is_said() -> None:
    undecided = [timed("grad", Verdict.UNDECIDED, 1.01)]

    assert result_of(undecided, ["no module 'nets'"]).failed == "no module 'nets'"
    assert "--budget" in result_of(undecided).failed


def searched(monkeypatch: pytest.MonkeyPatch, ratios: Iterable[float | None]) -> Search:
    """Return a search over candidates whose duels read these ratios; None for undecided."""
    read = {str(index): ratio for index, ratio in enumerate(ratios)}

    def against_good(_steps: TimedSteps, name: str) -> StepResult:
        ratio = read[name]
        if ratio is None:
            return result_of([timed("grad", Verdict.UNDECIDED, 1.01)])
        verdict = Verdict.SAME if abs(ratio - 1) < 0.005 else Verdict.WORSE if ratio > 1 else Verdict.BETTER
        return result_of([timed("grad", verdict, ratio)])

    monkeypatch.setattr(timing.TimedSteps, "_against_good", against_good)
    candidates = [Candidate(name) for name in read]
    steps = TimedSteps("good", candidates[-1].name, str, "nets:build", Setting())
    return Search(Candidate("good"), candidates, steps.measure, None, "")


def test_the_first_slower_candidate_is_found_past_one_that_is_undecided(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer = searched(monkeypatch, [1.0, 1.002, 1.0, None, 1.001, 1.051, 1.048, 1.05]).run()

    assert answer_lines(answer) == [
        "first bad: 5",
        "metric:    time of grad 1.000 -> 1.051 times that of GOOD (+5.1%)",
        "steps:     4 of 8 commits",
    ]


def test_a_candidate_whose_time_is_decided_in_another_arm_alone_is_skipped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    search = searched(monkeypatch, [1.0, 1.0, 1.05, 1.05])
    measure = search.measure

    def with_one_of_another_arm(name: str) -> StepResult:
        return result_of([timed("no_grad", Verdict.SAME, 1.0)]) if name == "1" else measure(name)

    said: list[str] = []
    search = replace(search, measure=with_one_of_another_arm, tell=said.append)

    assert search.run().suspects == (Candidate("1"), Candidate("2"))
    assert "1 skipped: time of grad was not decided" in said


def test_a_candidate_that_is_faster_than_good_is_not_slower(monkeypatch: pytest.MonkeyPatch) -> None:
    assert searched(monkeypatch, [1.0, 0.9, 1.03, 1.03]).run().suspects == (Candidate("2"),)


def test_two_ends_of_one_time_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BisectError, match="no time differs at GOOD and at BAD"):
        searched(monkeypatch, [1.0, 1.0]).run()


def test_a_metric_beside_times_is_refused() -> None:
    said = CliRunner().invoke(app, ["bisect", "HEAD~1", "HEAD", "mlp-relu", "--time", "--metric", "saved"])

    assert said.exit_code != 0
    assert "--time decides by times alone" in str(said.exception or said.output)


NETS = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(256, 256)

    def forward(self, x):
        for _ in range({times}):
            y = self.layer(x)
        return y  # change {index}

def build():
    return Net(), torch.ones(64, 256)
"""


@pytest.mark.slow
def test_a_planted_slowdown_is_found_by_duels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)

    def git(*words: str) -> None:
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words]
        subprocess.run(command, cwd=tmp_path, check=True)  # noqa: S603 (no shell)

    git("init", "-q")
    for index in range(5):
        (tmp_path / "nets.py").write_text(NETS.format(times=4 if index < 3 else 6, index=index))
        git("add", ".")
        git("commit", "-qm", f"change {index}")
    monkeypatch.chdir(tmp_path)
    said = CliRunner().invoke(app, ["bisect", "HEAD~4", "HEAD", "nets:build", "--time"])

    assert "first bad" in said.output
    assert "change 3" in said.output
