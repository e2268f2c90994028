"""The first bad commit is answer in log2 steps, past what cannot be measured, and after an interrupt."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from harness.bisect.answer import answer_lines
from harness.bisect.candidates import BisectError, Candidate, commits_between
from harness.bisect.measuring import measure_commit
from harness.bisect.results import StepResult
from harness.bisect.run import Search
from harness.bisect.search import next_index
from harness.duel.sides import Repository
from harness.setting import Setting


def result(saved: int) -> StepResult:
    return StepResult(
        values={"saved": saved, "peak": 0, "nodes": 3, "operators": 5, "waits": 0},
        holders={"saved": {"1 (Sigmoid)": saved}},
        operators={"1 (Sigmoid)\taten::sigmoid": saved // 256},
    )


def search(
    path: Path, count: int, measure: Callable[[str], StepResult], metric: str = "", question: str = "?"
) -> Search:
    candidates = [Candidate(str(index), f"change {index}") for index in range(count)]
    return Search(Candidate("good"), candidates, measure, path, question, metric)


def planted(first: int) -> Callable[[str], StepResult]:
    return lambda name: result(256 if name == "good" or int(name) < first else 512)


@pytest.mark.parametrize("first", range(32))
def test_of_thirty_two_commits_the_first_bad_one_takes_five_steps(tmp_path: Path, first: int) -> None:
    answer = search(tmp_path / "state.json", 32, planted(first)).run()

    assert [each.name for each in answer.suspects] == [str(first)]
    assert answer.steps <= 5
    assert not (tmp_path / "state.json").exists()


def test_what_cannot_be_measured_is_passed_over(tmp_path: Path) -> None:
    def measure(name: str) -> StepResult:
        return StepResult(failed="does not build") if name in {"15", "16"} else planted(20)(name)

    answer = search(tmp_path / "state.json", 32, measure).run()

    assert [each.name for each in answer.suspects] == ["20"]


def test_suspects_that_cannot_be_measured_are_all_named(tmp_path: Path) -> None:
    def measure(name: str) -> StepResult:
        return StepResult(failed="does not build") if name in {"4", "5"} else planted(5)(name)

    answer = search(tmp_path / "state.json", 8, measure).run()

    assert [each.name for each in answer.suspects] == ["4", "5", "6"]
    assert answer_lines(answer)[0].startswith("first bad: one of these")


def test_a_search_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    measured: list[str] = []

    def measure(name: str) -> StepResult:
        if len(measured) == 4:
            raise KeyboardInterrupt
        measured.append(name)
        return planted(20)(name)

    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "state.json", 32, measure).run()
    again: list[str] = []

    def measure_again(name: str) -> StepResult:
        again.append(name)
        return planted(20)(name)

    answer = search(tmp_path / "state.json", 32, measure_again).run()

    assert [each.name for each in answer.suspects] == ["20"]
    assert set(measured).isdisjoint(again)
    assert answer.steps == 5


def test_another_search_does_not_go_on_with_it(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text(
        '{"question": "another", "results": {"good": {"values": {"saved": 1}}}}'
    )

    assert search(tmp_path / "state.json", 4, planted(1)).run().before.values["saved"] == 256


def test_two_equal_ends_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BisectError, match="no exact value differs"):
        search(tmp_path / "state.json", 4, lambda _name: result(256)).run()
    with pytest.raises(BisectError, match="peak is the same"):
        search(tmp_path / "state.json", 4, planted(2), "peak").run()


def test_an_end_that_cannot_be_measured_is_refused_with_its_reason(tmp_path: Path) -> None:
    with pytest.raises(BisectError, match=r"GOOD \(good\) cannot be measured: no module 'nets'"):
        search(tmp_path / "state.json", 4, lambda _name: StepResult(failed="no module 'nets'")).run()


def test_the_answer_names_commit_metric_module_and_operator(tmp_path: Path) -> None:
    assert answer_lines(search(tmp_path / "state.json", 4, planted(2)).run()) == [
        "first bad: 2 change 2",
        "metric:    saved 256 B -> 512 B (+256 B)",
        "module:    1 (Sigmoid)",
        "operator:  aten::sigmoid, 1 -> 2 calls",
        "steps:     2 of 4 commits",
    ]


def test_a_candidate_near_the_middle_is_next_where_the_middle_failed() -> None:
    assert next_index(8, {3: None}) == 2


NETS = """
import torch
from torch import nn

def build():
    layers = [nn.Linear(8, 16), nn.Sigmoid(){more}, nn.Linear(16, 3)]
    return nn.Sequential(*layers), torch.ones(4, 8)  # change {index}
"""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a repository of 33 commits, of which the 21st after the first adds a layer."""
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "project"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    for index in range(33):
        (folder / "nets.py").write_text(NETS.format(index=index, more=", nn.Tanh()" if index >= 21 else ""))
        git(folder, "add", "-A")
        git(folder, "commit", "-q", "-m", f"change {index}")
    return folder


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(  # noqa: S603 (no shell)
        ["git", *who, *arguments],  # noqa: S607 (git of the PATH)
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_commits_are_those_after_good_up_to_bad(repository: Path) -> None:
    around = Repository.around(repository)
    assert around is not None

    answer = commits_between(around, "HEAD~3", "main")

    assert [each.title for each in answer] == ["change 30", "change 31", "change 32"]


@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        ("nothing", "main", "'nothing' is not a revision"),
        ("main", "HEAD~3", "main is not an ancestor of HEAD~3"),
        ("main", "main", "main and main are one commit"),
    ],
)
def test_ends_that_make_no_range_are_refused(repository: Path, good: str, bad: str, said: str) -> None:
    around = Repository.around(repository)
    assert around is not None

    with pytest.raises(BisectError, match=said):
        commits_between(around, good, bad)


@pytest.mark.slow
def test_a_planted_layer_is_found_and_the_worktrees_are_gone(repository: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "harness", "bisect", "HEAD~32", "HEAD", "nets:build"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=True,
    )

    lines = done.stdout.splitlines()
    assert lines[0].endswith("change 21")
    assert lines[1] == "metric:    saved 304 B -> 560 B (+256 B)"
    assert lines[2] == "module:    2 (Tanh)"
    assert lines[3] == "operator:  aten::tanh, 0 -> 1 calls"
    assert lines[4] == "steps:     5 of 32 commits"
    assert len(git(repository, "worktree", "list").splitlines()) == 1
    assert git(repository, "status", "--porcelain") == ""


@pytest.mark.slow
def test_a_commit_that_does_not_build_says_why(repository: Path) -> None:
    (repository / "nets.py").write_text("raise OSError('broken')\n")
    git(repository, "commit", "-qam", "break")
    around = Repository.around(repository)
    assert around is not None

    assert "broken" in measure_commit(around, around.commit("HEAD"), "nets:build", Setting()).failed


@pytest.mark.slow
def test_a_killed_search_leaves_no_worktree_and_goes_on_where_it_was(repository: Path) -> None:
    command = [sys.executable, "-m", "harness", "bisect", "HEAD~32", "HEAD", "nets:build"]
    state = repository / ".git" / "harness-bisect.json"
    with subprocess.Popen(  # noqa: S603 (no shell)
        command, cwd=repository, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as first:
        while not state.exists() or len(msgspec.json.decode(state.read_bytes())["results"]) < 3:
            assert first.poll() is None
            time.sleep(0.02)
        first.kill()
    for _ in range(500):
        if len(git(repository, "worktree", "list").splitlines()) == 1:
            break
        time.sleep(0.02)

    assert len(git(repository, "worktree", "list").splitlines()) == 1
    known = msgspec.json.decode(state.read_bytes())["results"]
    again = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=True)  # noqa: S603
    measured = [line.split()[0] for line in again.stderr.splitlines()]

    assert again.stdout.splitlines()[0].endswith("change 21")
    assert len(measured) + len(known) <= 7  # both ends, and five between them
    assert not {name[:12] for name in known} & set(measured)
    assert not state.exists()
