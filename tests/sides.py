"""Interpreters that are small scripts: fake sides, and real ones in which something is wrong."""

import json
import shlex
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from harness.duel.referee import DuelWatcher

ROOT = Path(__file__).parents[1]


class Quiet(DuelWatcher):
    """Counts restarts and shows nothing."""

    def __init__(self) -> None:
        self.wanted = 0
        self.done = 0

    def planned(self, restarts: int) -> None:
        self.wanted = restarts

    def restarted(self) -> None:
        self.done += 1


def script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def fake(folder: Path, name: str, **told: object) -> str:
    """Return the path of an interpreter that is a fake side."""
    text = json.dumps({"folder": str(folder), "name": name, **told})
    program = shlex.quote(str(Path(__file__).parent / "duel" / "fake_side.py"))
    # It needs no package, and is started often: without `site` that takes two thirds of the time.
    return script(
        folder / name,
        f"export FAKE={shlex.quote(text)} PYTHONPATH={shlex.quote(str(ROOT))}\n"
        f'exec {shlex.quote(sys.executable)} -S {program} "$@"',
    )


def repository(folder: Path, *versions: dict[str, str]) -> Path:
    """Make a repository with a commit a version, each given as its files; return its folder."""
    folder.mkdir()
    names = ["-c", "user.name=a", "-c", "user.email=a@localhost", "-c", "commit.gpgsign=false"]
    run(folder, "init", "-qb", "main")
    for number, files in enumerate(versions):
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        run(folder, "add", "-A")
        run(folder, *names, "commit", "-qm", f"version {number}")
        run(folder, "tag", f"v{number}")
    return folder


def run(folder: Path, *arguments: str) -> str:
    done = subprocess.run(  # noqa: S603 (literals)
        ["git", *arguments],  # noqa: S607
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def wait_for(what: Callable[[], object], seconds: float = 10) -> None:
    ends = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < ends
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"  # nobody is left to bury it
