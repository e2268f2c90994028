"""The work behind `harness duel`: from two sides in words to what was found."""

import shlex
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from harness.duel.plan import DUEL_FLOOR
from harness.duel.process import DuelError
from harness.duel.referee import DuelSettings, DuelWatcher, Referee, elapsed, free_core
from harness.duel.sides import Repository, SideSource, find_side, said_of_tree
from harness.duel.starting import Forking, Spawning, Starter
from harness.duel.tally import Tally
from harness.duel.workspace import workspace
from harness.judge.duel import Timed, judge_duel, judge_times
from harness.judge.finding import Outcome
from harness.record.duel import Duel, DuelSide
from harness.record.store import replace_file
from harness.report.duel import duel_json, duel_markdown, duel_text
from harness.report.duel_page import duel_page

Start = Literal["spawn", "fork"]
NAMES = ("base", "head")


def hold_duel(
    base: str,
    head: str,
    targets: Sequence[str],
    watch: DuelWatcher,
    *,
    questions: Sequence[str] = ("grad_mode",),
    device: str = "cpu",
    dtype: str = "",
    batch_size: int = 0,
    mode: str = "",
    restarts: int = 0,
    budget: float | None = None,
    floor: float = DUEL_FLOOR,
    threads: int = 1,
    pin: bool = True,
    start: Start = "spawn",
    seed: int = 0,
    command: str = "",
) -> Duel:
    """Measure two sides against each other.

    Args:
        base: an interpreter, a git revision, `revision@interpreter`, or `.` for the working tree.
        head: likewise; what is asked about.
        targets: what to run; none for all built-in models.
        watch: is told how far it is.
        questions: that are put to models.
        device: where they run.
        dtype: of weights and inputs.
        batch_size: 0 for each model's own.
        mode: "train" or "eval"; "" for each question's own.
        restarts: of both sides; 0 for as many as the number of contrasts needs.
        budget: seconds of timing an arm, both sides together, over all restarts; 0 for exact metrics alone,
            None for 2, or for more where there are few arms.
        floor: the relative difference that is none.
        threads: intra-op; 0 for torch's own choice.
        pin: both sides to one core; with one thread only.
        start: "spawn" imports torch anew for every restart, "fork" copies a process that has.
        seed: of weights, inputs and order.
        command: what asked.

    Raises:
        HarnessError: a side, a target or a number cannot be used; in one sentence.
    """
    _check(restarts=restarts, budget=budget or 0.0, floor=floor, threads=threads, batch_size=batch_size)
    began = time.monotonic()
    here = Path.cwd().resolve()
    repository = Repository.around(here)
    sides = [find_side(name, given, here) for name, given in zip(NAMES, (base, head), strict=True)]
    notes = [said for side in sides if (said := said_of_tree(side, repository))]
    asked = {
        "targets": list(targets),
        "questions": list(questions),
        "device": device,
        "dtype": dtype,
        "batch_size": batch_size,
        "mode": mode,
    }
    core = free_core() if pin and threads == 1 else None
    with workspace(repository) as place, ExitStack() as stack:
        sides = [place.checked_out(side) for side in sides]
        kind = Spawning if start == "spawn" else Forking
        starters: dict[str, Starter] = {side.name: kind(side, place.folder, threads) for side in sides}
        for starter in starters.values():
            stack.callback(starter.close)
        tally = Referee(starters, DuelSettings(asked, restarts, budget, seed, core), watch).hold()
    command = command or shlex.join(["harness", *sys.argv[1:]])
    described = {side.name: _described(side, tally, floor, command) for side in sides}
    return Duel(
        base=described["base"],
        head=described["head"],
        arms=tally.arms(),
        restarts=tally.restarts,
        lost=tuple(tally.lost),
        notes=(*notes, *tally.notes),
        start=start,
        core=core,
        floor=floor,
        budget=tally.budget,
        seed=seed,
        seconds=elapsed(began),
        command=command,
    )


def _check(**numbers: float) -> None:
    for name, value in numbers.items():
        if not 0 <= value < float("inf"):
            raise DuelError(f"{name.replace('_', ' ')} is {value:g}; it is 0 or more")


def _described(side: SideSource, tally: Tally, floor: float, command: str) -> DuelSide:
    here = Path.cwd()
    python = side.python.relative_to(here) if side.python.is_relative_to(here) else side.python
    return DuelSide(
        given=side.given,
        python=str(python),
        revision=side.revision,
        run=tally.run(side.name, f"{side.name}-{side.given}", floor, command),
    )


def tox_python(work: Path, name: str) -> str:
    """Return the interpreter of a tox environment.

    Args:
        work: tox's working folder.
        name: of the environment.

    Raises:
        DuelError: there is none of that name.
    """
    python = work / name / "bin" / "python"
    if not python.exists():
        there = sorted(path.parent.parent.name for path in work.glob("*/bin/python"))
        known = f"there are {', '.join(there)}" if there else "there is none yet"
        raise DuelError(f"no tox environment {name} in {work}; {known}; `tox -e {name} --notest` makes it")
    return str(python)


@dataclass(frozen=True, slots=True)
class Judged:
    """A duel with what it means, in every form that people and tools read."""

    duel: Duel
    outcome: Outcome
    times: tuple[Timed, ...]

    @classmethod
    def of(cls, duel: Duel) -> "Judged":
        """Judge a duel."""
        times = judge_times(duel)
        return cls(duel, judge_duel(duel, times), times)

    def text(self, width: int) -> str:
        """Return it for a terminal."""
        return duel_text(self.duel, self.outcome, self.times, width)

    def write(self, *, json: Path | None, html: Path | None, markdown: Path | None) -> tuple[Path, ...]:
        """Write the files that are asked for, and return their paths."""
        parts = (self.duel, self.outcome, self.times)
        makers: tuple[tuple[Path | None, Callable[[], bytes]], ...] = (
            (json, lambda: msgspec.json.encode(duel_json(*parts))),
            (html, lambda: duel_page(*parts).encode()),
            (markdown, lambda: duel_markdown(*parts).encode()),
        )
        for path, make in makers:
            if path is not None:
                replace_file(path, make())
        return tuple(path for path, _ in makers if path is not None)
