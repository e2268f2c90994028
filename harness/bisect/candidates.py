"""What a search goes over: commits between two revisions, or environments between two versions of torch."""

import json
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from packaging.version import InvalidVersion, Version

from harness.duel.sides import Repository, SideError, git
from harness.errors import HarnessError

_ASK = "import importlib.metadata, json; print(json.dumps(importlib.metadata.version('torch')))"
_TIME_LIMIT_S = 60


class BisectError(HarnessError, ValueError):
    """A search that cannot be made, in one sentence."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A commit, or a version of torch.

    Attributes:
        name: full name of the commit, or the version.
        title: first line of the commit's message, or the environment that has the version.
    """

    name: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class TorchEnvironment:
    """An environment with a torch in it.

    Attributes:
        name: of its folder.
        python: its interpreter.
        version: of its torch.
    """

    name: str
    python: Path
    version: Version


def commits_between(repository: Repository, good: str, bad: str) -> tuple[Candidate, ...]:
    """Return the commits after a good one up to a bad one, oldest first, along first parents.

    Raises:
        BisectError: one is not a commit, or good is not an ancestor of bad.
    """
    names = {given: repository.commit(given) for given in (good, bad)}
    for given, commit in names.items():
        if not commit:
            raise BisectError(
                f"{given!r} is not a revision of {repository.root}; give what `git rev-parse` knows, as main"
                " or HEAD~8"
            )
    try:
        git(repository.root, "merge-base", "--is-ancestor", names[good], names[bad])
    except SideError:
        raise BisectError(
            f"{good} is not an ancestor of {bad}; give as GOOD a commit that BAD came from"
        ) from None
    log = git(
        repository.root,
        *("log", "--reverse", "--first-parent", "--format=%H %s", f"{names[good]}..{names[bad]}"),
    )
    commits = tuple(Candidate(*line.split(" ", 1)) for line in log.splitlines())
    if not commits:
        raise BisectError(f"{good} and {bad} are one commit; give two between which something changed")
    return commits


def torch_of(python: Path) -> str:
    """Return the version of torch that an interpreter has installed; "" for none. torch is not imported."""
    try:
        done = subprocess.run(  # noqa: S603 (no shell)
            [str(python), "-c", _ASK],
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIME_LIMIT_S,
        )
        return "" if done.returncode else str(json.loads(done.stdout))
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return ""


def environments_in(
    folder: Path, version_of: Callable[[Path], str] = torch_of
) -> tuple[TorchEnvironment, ...]:
    """Return the environments below a folder that have torch, by version; the first by name of equal ones.

    Args:
        folder: of environments, each with `bin/python`, as tox and `python -m venv` make them.
        version_of: an interpreter's version of torch, or "".
    """
    by_version: dict[Version, TorchEnvironment] = {}
    for python in sorted(folder.glob("*/bin/python")):
        name = python.parent.parent.name
        try:
            version = Version(version_of(python))
        except InvalidVersion:  # "" too: an environment without torch
            continue
        by_version.setdefault(Version(version.public), TorchEnvironment(name, python, version))
    return tuple(by_version[version] for version in sorted(by_version))


def versions_between(
    environments: Iterable[TorchEnvironment], given: str, folder: Path
) -> tuple[TorchEnvironment, ...]:
    """Return the environments from one version of torch to another, both ends included, lower first.

    Args:
        environments: those that exist, by version.
        given: "2.8.0..2.13.0"; each end has to be there.
        folder: where the environments are.

    Raises:
        BisectError: it is no such range, an end is not there, or there is nothing between them.
    """
    there = {environment.version.public: environment for environment in environments}
    ends = given.split("..")
    try:
        low, high = (Version(end) for end in ends)
    except (InvalidVersion, ValueError):
        raise BisectError(f"--torch {given} is not a range of versions; write 2.8.0..2.13.0") from None
    known = f"there are {', '.join(there)}" if there else "there is none yet"
    for end in (low, high):
        if end.public not in there:
            raise BisectError(
                f"no environment in {folder} has torch {end}; {known}; `tox -e torch28 --notest` makes one"
            )
    if not low < high:
        raise BisectError(f"--torch {given} goes down or nowhere; give the lower version first")
    return tuple(each for each in there.values() if low <= Version(each.version.public) <= high)
