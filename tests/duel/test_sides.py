"""What a side's words name, and the working trees of revisions."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from sides import repository, run

from harness.duel.sides import Repository, SideError, find_side, said_of_tree
from harness.duel.workspace import remove_stale, workspace

pytestmark = pytest.mark.process

PYTHON = Path(sys.executable)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a repository with two versions of a file."""
    return repository(tmp_path / "project", {"model.py": "WIDTH = 1"}, {"model.py": "WIDTH = 2"})


def test_a_path_is_an_interpreter_in_the_working_tree(project: Path) -> None:
    side = find_side("base", str(PYTHON), project)

    assert (side.python, side.tree, side.revision) == (PYTHON, project, "")


def test_the_folder_of_an_environment_stands_for_its_interpreter(project: Path) -> None:
    (project / "env" / "bin").mkdir(parents=True)
    (project / "env" / "bin" / "python").write_text("")

    assert find_side("base", "./env", project).python == project / "env" / "bin" / "python"


def test_a_revision_is_its_commit_with_this_interpreter(project: Path) -> None:
    side = find_side("base", "main~1", project)

    assert side.revision == run(project, "rev-parse", "v0").strip()
    assert (side.python, side.root) == (PYTHON, str(project))


def test_an_interpreter_behind_a_revision_is_no_date(project: Path) -> None:
    (project / "env2" / "bin").mkdir(parents=True)
    (project / "env2" / "bin" / "python").write_text("")
    side = find_side("base", "HEAD@{0}@./env2", project)

    assert side.revision == run(project, "rev-parse", "main").strip()
    assert side.python == project / "env2" / "bin" / "python"
    assert find_side("base", "HEAD@{0}@sh", project).revision == side.revision
    assert Repository(project, "").commit("HEAD@{0}@python3") == ""


@pytest.mark.parametrize("revision", ["v0", "HEAD@{0}", "main"])
def test_a_revision_and_an_interpreter_stand_on_the_sides_of_the_last_at(
    project: Path, revision: str
) -> None:
    side = find_side("base", f"{revision}@{PYTHON}", project)

    assert side.revision == run(project, "rev-parse", f"{revision}^{{commit}}").strip()
    assert side.python == PYTHON


def test_a_dot_is_the_working_tree(project: Path) -> None:
    side = find_side("head", ".", project)

    assert (side.revision, side.tree, side.python) == ("", project, PYTHON)
    assert find_side("head", f".@{PYTHON}", project).revision == ""


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            "no-such-branch",
            "base: 'no-such-branch' is neither an interpreter nor a revision of .*project; give a path",
        ),
        ("./missing/python", r"base: there is no interpreter at \./missing/python; give the path of one"),
        ("main@./missing", r"base: main@\./missing names an interpreter that is not there: \./missing"),
        ("nothing@/bin/sh", "base: 'nothing' is neither an interpreter nor a revision"),
        ("--help", "base: '--help' is neither"),
    ],
)
def test_what_is_no_side_is_refused(project: Path, given: str, said: str) -> None:
    with pytest.raises(SideError, match=said):
        find_side("base", given, project)


def test_outside_a_repository_there_are_no_revisions(tmp_path: Path) -> None:
    with pytest.raises(SideError, match="is not in a git repository of which it could be a revision"):
        find_side("base", "main", tmp_path)


def test_uncommitted_changes_are_allowed_and_said(project: Path) -> None:
    around = Repository.around(project)
    tree, commit = find_side("head", ".", project), find_side("base", "main", project)
    assert said_of_tree(tree, around) == said_of_tree(commit, around) == ""

    (project / "model.py").write_text("WIDTH = 3")
    assert said_of_tree(tree, around) == "head runs the working tree, with uncommitted changes"
    assert "uncommitted changes here are not in it" in said_of_tree(commit, around)


def trees(project: Path) -> int:
    return run(project, "worktree", "list").count("\n")


def test_a_revision_is_checked_out_and_removed_whatever_happens(project: Path) -> None:
    hook = project / ".git" / "hooks" / "post-checkout"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    around = Repository.around(project)

    with pytest.raises(KeyboardInterrupt), workspace(around) as place:  # noqa: PT012 (it is what happens)
        side = place.checked_out(find_side("base", "v0", project))
        assert (side.tree / "model.py").read_text() == "WIDTH = 1"
        assert side.tree == place.checked_out(find_side("head", "v0", project)).tree
        assert trees(project) == 2
        raise KeyboardInterrupt
    assert not place.folder.exists()
    assert trees(project) == 1


def test_a_worker_runs_in_the_folder_that_was_asked_from(tmp_path: Path) -> None:
    project = repository(tmp_path / "project", {"a.py": ""}, {"part/b.py": ""})
    around = Repository.around(project / "part")

    with workspace(around) as place:
        side = place.checked_out(find_side("head", "v1", project / "part"))
        assert (side.tree / "b.py").exists()
        with pytest.raises(SideError, match="base: v0 has no folder part"):
            place.checked_out(find_side("base", "v0", project / "part"))


def test_what_a_crash_left_behind_is_removed_and_what_runs_is_not(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    ended = subprocess.Popen(["true"])  # noqa: S607 (a literal)
    ended.wait()
    stale = tmp_path / f"harness-duel-{ended.pid}-abc" / "tree-123"
    stale.parent.mkdir()
    run(project, "worktree", "add", "--detach", str(stale), "v0")

    with workspace(Repository.around(project)) as place:
        assert not stale.exists()
        assert trees(project) == 1
        remove_stale(None)
        assert place.folder.exists()
    assert not place.folder.exists()
