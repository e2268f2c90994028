"""What a side is: an interpreter, a working tree, and the words it was asked for in."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import HarnessError


class SideError(HarnessError, ValueError):
    """A side that cannot be had, in one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SideSource:
    """One side of a duel.

    Attributes:
        name: "base" or "head".
        given: as it was asked for.
        python: the interpreter.
        tree: the folder that a worker runs in; of a revision, once it is checked out.
        revision: the commit that is to be checked out; "" for the working tree as it is.
        root: of a revision: the repository's own working tree, which a worker must not import from.
    """

    name: str
    given: str
    python: Path
    tree: Path
    revision: str = ""
    root: str = ""


@dataclass(frozen=True, slots=True)
class Repository:
    """The repository around a folder.

    Attributes:
        root: of its working tree.
        prefix: from there to the folder; "" for the root itself.
    """

    root: Path
    prefix: str

    @classmethod
    def around(cls, folder: Path) -> "Repository | None":
        """Return the repository that a folder lies in, or None."""
        try:
            said = git(folder, "rev-parse", "--show-toplevel", "--show-prefix")
        except SideError:
            return None
        root, prefix, *_ = (*said.split("\n"), "")
        return cls(Path(root).resolve(), prefix.strip("/"))

    def commit(self, revision: str) -> str:
        """Return the full name of a revision's commit; "" where there is none."""
        # Not ^{commit}: git reads all that stands between "@{" and a "}" at the end as a date.
        try:
            return git(self.root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^0")
        except SideError:
            return ""

    def is_dirty(self) -> bool:
        """Whether tracked files differ from the last commit, or others were added."""
        return bool(git(self.root, "status", "--porcelain"))


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder and return what it prints.

    Raises:
        SideError: there is no git, or it failed.
    """
    try:
        done = subprocess.run(  # noqa: S603 (no shell)
            ["git", *arguments],  # noqa: S607 (git of the PATH)
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        raise SideError(f"git cannot be run: {error.strerror}") from error
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        raise SideError(f"git {arguments[0]} failed: {said[-1]}")
    return done.stdout.rstrip("\n")


def find_side(name: str, given: str, here: Path) -> SideSource:
    """Find what a side's words name.

    An interpreter's path, or its name on the PATH; the folder of a virtual environment; a git revision of
    the repository around `here`; `revision@interpreter`; or `.` for the working tree with this interpreter.

    Raises:
        SideError: it is nothing of these.
    """
    repository = Repository.around(here)
    current = Path(sys.executable)
    if given == ".":
        return SideSource(name=name, given=given, python=current, tree=here)
    python = _interpreter_at(given, here)
    if python is not None:
        return SideSource(name=name, given=given, python=python, tree=here)
    commit = repository.commit(given) if repository else ""
    if repository and commit:
        return SideSource(
            name=name, given=given, python=current, tree=here, revision=commit, root=str(repository.root)
        )
    revision, at, interpreter = given.rpartition("@")
    if at and revision and interpreter:
        side = SideSource(
            name=name, given=given, python=_interpreter_beside(name, given, interpreter, here), tree=here
        )
        if revision == ".":
            return side
        commit = repository.commit(revision) if repository else ""
        if repository and commit:
            return replace(side, revision=commit, root=str(repository.root))
        raise SideError(f"{name}: {_neither(revision, here, repository)}")
    python = _interpreter_named(given)
    if python is not None:
        return SideSource(name=name, given=given, python=python, tree=here)
    raise SideError(f"{name}: {_neither(given, here, repository)}")


def _interpreter_beside(name: str, given: str, interpreter: str, here: Path) -> Path:
    python = _interpreter_at(interpreter, here) or _interpreter_named(interpreter)
    if python is None:
        raise SideError(
            f"{name}: {given} names an interpreter that is not there: {interpreter}; give the path of one,"
            " as in main@.venv/bin/python"
        )
    return python


def _interpreter_at(given: str, here: Path) -> Path | None:
    """Return the interpreter at a path; links stay, for an environment is known by the path it is run by."""
    if os.sep not in given:
        return None
    path = here / Path(given).expanduser()
    if (path / "bin" / "python").is_file():
        return path / "bin" / "python"
    return path if path.is_file() else None


def _interpreter_named(given: str) -> Path | None:
    path = shutil.which(given)
    return Path(path).absolute() if path else None


def _neither(given: str, here: Path, repository: Repository | None) -> str:
    if given.startswith(("/", "./", "../", "~")):
        return f"there is no interpreter at {given}; give the path of one, as in .venv/bin/python"
    if repository is None:
        return (
            f"{given!r} is not an interpreter, and {here} is not in a git repository of which it could be a"
            " revision; give the path of an interpreter, as in .venv/bin/python"
        )
    return (
        f"{given!r} is neither an interpreter nor a revision of {repository.root}; give a path, as in"
        " .venv/bin/python, or what `git rev-parse` knows, as in main or HEAD~1"
    )


def said_of_tree(side: SideSource, repository: Repository | None) -> str:
    """Return what is to be known of the working tree of a side; "" for nothing."""
    if repository is None or not repository.is_dirty():
        return ""
    if side.revision:
        return f"{side.name} is the commit {side.revision[:12]}: uncommitted changes here are not in it"
    return f"{side.name} runs the working tree, with uncommitted changes"
