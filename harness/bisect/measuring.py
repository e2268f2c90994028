"""Measures one candidate: a commit in a tree of its own, or a version of torch in its environment."""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import msgspec

from harness.bisect.results import StepResult
from harness.duel.sides import Repository, SideError, SideSource
from harness.duel.workspace import workspace
from harness.setting import Setting

_SCRIPT = Path(__file__).parent / "step.py"
_TIME_LIMIT_S = 1800


def step_conditions(setting: Setting) -> str:
    """Return what a result depends on beside commit and target: interpreter, torch, setting."""
    return f"{sys.executable} torch {version('torch')} {json.dumps(asdict(setting))}"


def measure_commit(repository: Repository, commit: str, target: str, setting: Setting) -> StepResult:
    """Check a commit out, measure the target there, and remove the tree again."""
    with workspace(repository) as space:
        try:
            side = space.checked_out(
                SideSource(
                    name="step", given=commit, python=Path(sys.executable), tree=Path(), revision=commit
                )
            )
        except SideError as error:
            return StepResult(failed=str(error))
        return measure_in(side.python, side.tree, target, setting, root=str(repository.root))


def measure_in(python: Path, tree: Path, target: str, setting: Setting, *, root: str = "") -> StepResult:
    """Measure a target with an interpreter, in a folder; what cannot be measured says why.

    Args:
        python: the interpreter; it needs torch, and nothing else.
        tree: the folder that it runs in.
        target: as `harness measure` takes it.
        setting: how the model is built.
        root: the repository's own working tree, from which nothing may be imported; "" for no such rule.
    """
    # What belongs to this process's environment would bend another one.
    environment = {
        name: value for name, value in os.environ.items() if name not in {"PYTHONHOME", "VIRTUAL_ENV"}
    } | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"}
    try:
        done = subprocess.run(  # noqa: S603 (no shell)
            [str(python), str(_SCRIPT), target, json.dumps(asdict(setting)), root],
            cwd=tree,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIME_LIMIT_S,
        )
    except subprocess.TimeoutExpired:
        return StepResult(failed=f"not done after {_TIME_LIMIT_S} s")
    except OSError as error:
        return StepResult(failed=f"{python} cannot be started: {error.strerror or error}")
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        return StepResult(failed=lines[-1])
    try:
        return msgspec.convert(json.loads(done.stdout.strip().splitlines()[-1]), StepResult)
    except (ValueError, IndexError, msgspec.ValidationError):
        return StepResult(failed="the step printed no answer")
