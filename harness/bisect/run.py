"""Runs a search: a worktree and a process a step, and a file of what is known, so that it can go on."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

import harness
from harness.bisect.search import narrowed, next_index
from harness.bisect.trial import State, Trial, differing_metric, is_bad
from harness.duel.sides import Repository, SideError, SideSource, git
from harness.duel.workspace import workspace
from harness.errors import HarnessError
from harness.record.store import replace_file

_HARNESS = Path(harness.__file__).parent.parent
_TIME_LIMIT_S = 1800


class BisectError(HarnessError, ValueError):
    """A search that cannot be made, in one sentence."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A commit, or a version of torch.

    Attributes:
        name: full name of the commit, or the version.
        title: first line of the commit's message; "" for a version.
    """

    name: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """What a search came to.

    Attributes:
        suspects: candidates of which the first bad one is one; one, where all could be measured.
        metric: that tells.
        before: what the last good candidate took.
        after: what the first bad one took.
        steps: candidates measured between the two ends, this time and before.
        of: how many candidates there were.
    """

    suspects: tuple[Candidate, ...]
    metric: str
    before: Trial
    after: Trial
    steps: int
    of: int


def commits_between(repository: Repository, good: str, bad: str) -> tuple[Candidate, ...]:
    """Return the commits after a good one up to a bad one, oldest first, along first parents.

    Raises:
        BisectError: one is no commit, or good is not an ancestor of bad.
    """
    names = {given: repository.commit(given) for given in (good, bad)}
    for given, commit in names.items():
        if not commit:
            raise BisectError(
                f"{given!r} is no revision of {repository.root}; give what `git rev-parse` knows, as main or"
                " HEAD~8"
            )
    try:
        git(repository.root, "merge-base", "--is-ancestor", names[good], names[bad])
    except SideError:
        raise BisectError(
            f"{good} is not an ancestor of {bad}; give as GOOD a commit that BAD came from"
        ) from None
    said = git(
        repository.root,
        *("log", "--reverse", "--first-parent", "--format=%H %s", f"{names[good]}..{names[bad]}"),
    )
    found = tuple(Candidate(*line.split(" ", 1)) for line in said.splitlines())
    if not found:
        raise BisectError(f"{good} and {bad} are one commit; give two between which something changed")
    return found


def measure_commit(repository: Repository, commit: str, target: str) -> Trial:
    """Check a commit out, measure the target there, and remove the tree again."""
    with workspace(repository) as space:
        try:
            side = space.checked_out(
                SideSource(name="step", given=commit, python=Path(sys.executable), tree=Path(), revision=commit)
            )
        except SideError as error:
            return Trial(failed=str(error))
        return measure_in(Path(sys.executable), side.tree, target)


def measure_in(python: Path, tree: Path, target: str) -> Trial:
    """Measure a target with an interpreter, in a folder; what cannot be measured says why."""
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join((str(tree), str(_HARNESS))),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
    }
    try:
        done = subprocess.run(  # noqa: S603 (no shell)
            [str(python), "-m", "harness.bisect.step", target],
            cwd=tree,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIME_LIMIT_S,
        )
    except subprocess.TimeoutExpired:
        return Trial(failed=f"not done after {_TIME_LIMIT_S} s")
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        return Trial(failed=said[-1])
    try:
        return msgspec.convert(json.loads(done.stdout.strip().splitlines()[-1]), Trial)
    except (ValueError, IndexError, msgspec.ValidationError):
        return Trial(failed="the step printed no answer")


@dataclass(frozen=True, slots=True)
class Search:
    """A search over candidates.

    Attributes:
        good: the good end.
        candidates: after it, in order; the last one is the bad end.
        measure: takes one candidate's name.
        path: of the state's file.
        question: what tells this search from another.
        metric: that is wanted; "" for the first that differs.
        tell: is told what each step gave.
    """

    good: Candidate
    candidates: Sequence[Candidate]
    measure: Callable[[str], Trial]
    path: Path
    question: str
    metric: str = ""
    tell: Callable[[str], None] = lambda _line: None

    def run(self) -> Found:
        """Search until the first bad candidate is known; the file goes when it is.

        Raises:
            BisectError: an end cannot be measured, or nothing differs between them.
        """
        trials = dict(_read(self.path, self.question).trials)
        last = self.candidates[-1]
        good, bad = (self._end(each, word, trials) for each, word in ((self.good, "GOOD"), (last, "BAD")))
        metric = differing_metric(good, bad, self.metric)
        if not metric:
            what = self.metric or "no exact value"
            differs = "is the same" if self.metric else "differs"
            raise BisectError(f"{what} {differs} at GOOD and at BAD, so there is nothing to search for")
        count = len(self.candidates)
        while True:
            known = {
                index: is_bad(trials[each.name], good, bad, metric)
                for index, each in enumerate(self.candidates[:-1])
                if each.name in trials
            }
            index = next_index(count, known)
            if index is None:
                break
            self._try(self.candidates[index], trials, metric)
        left = narrowed(count, known)
        self.path.unlink(missing_ok=True)
        before = good if left.low < 0 else trials[self.candidates[left.low].name]
        return Found(
            suspects=tuple(self.candidates[index] for index in left.suspects),
            metric=metric,
            before=before,
            after=trials[self.candidates[left.high].name],
            steps=len(known),
            of=count,
        )

    def _end(self, candidate: Candidate, word: str, trials: dict[str, Trial]) -> Trial:
        trial = trials.get(candidate.name) or self._try(candidate, trials, self.metric)
        if trial.failed:
            raise BisectError(f"{word} ({candidate.name[:12]}) cannot be measured: {trial.failed}")
        return trial

    def _try(self, candidate: Candidate, trials: dict[str, Trial], metric: str) -> Trial:
        trial = trials[candidate.name] = self.measure(candidate.name)
        replace_file(self.path, msgspec.json.encode(State(question=self.question, trials=trials)))
        values = {metric: trial.values.get(metric)} if metric else trial.values
        said = (
            f"skipped: {trial.failed}" if trial.failed else ", ".join(f"{k} {v:,}" for k, v in values.items())
        )
        self.tell(f"{candidate.name[:12]} {said}")
        return trial


def _read(path: Path, question: str) -> State:
    """Return what an interrupted search of the same question knew."""
    try:
        state = msgspec.json.decode(path.read_bytes(), type=State)
    except (OSError, msgspec.DecodeError):
        return State(question=question)
    return state if state.question == question else State(question=question)
