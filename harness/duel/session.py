"""One duel, from two sides in words to its verdicts and files."""

import shlex
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
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
from harness.setting import Setting

StartMethod = Literal["spawn", "fork"]
NAMES = ("base", "head")


@dataclass(frozen=True, slots=True, kw_only=True)
class DuelRules:
    """How a duel is held, beside the setting in which both sides measure.

    Attributes:
        questions: that are put to models.
        restarts: of both sides; 0 for as many as the number of contrasts needs.
        floor: the relative difference that counts as equal.
        pin: both sides run on one core; with one thread only.
        start: "spawn" imports torch anew for every restart, "fork" copies a process that has.

    Raises:
        DuelError: a number cannot be used.
    """

    questions: tuple[str, ...] = ("grad_mode",)
    restarts: int = 0
    floor: float = DUEL_FLOOR
    pin: bool = True
    start: StartMethod = "spawn"

    def __post_init__(self) -> None:
        for name, value in (("restarts", self.restarts), ("floor", self.floor)):
            if not 0 <= value < float("inf"):
                raise DuelError(f"{name} is {value:g}; it is 0 or more")


def hold_duel(
    base: str,
    head: str,
    targets: Sequence[str],
    watch: DuelWatcher,
    *,
    rules: DuelRules | None = None,
    setting: Setting | None = None,
    command: str = "",
) -> Duel:
    """Measure two sides against each other.

    Args:
        base: an interpreter, a git revision, `revision@interpreter`, or `.` for the working tree.
        head: likewise; what is held against it.
        targets: what to run; empty for all built-in models.
        watch: is told how far it is.
        rules: by default those of `DuelRules`.
        setting: of both sides. Its budget is of an arm, both sides together, over all restarts; by default
            2 s, or more where there are few arms.
        command: how to hold it again; by default that of this process.

    Raises:
        HarnessError: a side, a target or a setting cannot be used; in one sentence.
    """
    rules, setting = rules or DuelRules(), setting or Setting()
    if len(setting.batch_sizes) > 1:
        raise DuelError(f"a duel has one batch size; give {setting.batch_sizes[0]} alone")
    began = time.monotonic()
    here = Path.cwd().resolve()
    repository = Repository.around(here)
    sides = [find_side(name, given, here) for name, given in zip(NAMES, (base, head), strict=True)]
    notes = [said for side in sides if (said := said_of_tree(side, repository))]
    selection = {
        "targets": list(targets),
        "questions": list(rules.questions),
        "setting": asdict(setting),
    }
    core = free_core() if rules.pin and setting.threads == 1 else None
    with workspace(repository) as workplace, ExitStack() as stack:
        sides = [workplace.checked_out(side) for side in sides]
        kind = Spawning if rules.start == "spawn" else Forking
        starters: dict[str, Starter] = {
            side.name: kind(side, workplace.folder, setting.threads) for side in sides
        }
        for starter in starters.values():
            stack.callback(starter.close)
        tally = Referee(
            starters, DuelSettings(selection, rules.restarts, setting.budget, setting.seed, core), watch
        ).hold()
    command = command or shlex.join(["harness", *sys.argv[1:]])
    described = {side.name: _described(side, tally, rules.floor, command) for side in sides}
    return Duel(
        base=described["base"],
        head=described["head"],
        arms=tally.arms(),
        restarts=tally.restarts,
        lost=tuple(tally.lost),
        notes=(*notes, *tally.notes),
        start=rules.start,
        core=core,
        floor=rules.floor,
        budget=tally.budget,
        seed=setting.seed,
        seconds=elapsed(began),
        command=command,
    )


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

    def to_json(self) -> bytes:
        """Return what `--json` keeps: the duel with all its samples, and what was judged."""
        return msgspec.json.encode(duel_json(self.duel, self.outcome, self.times))

    def write(self, *, html: Path | None, markdown: Path | None) -> tuple[Path, ...]:
        """Write the files that have a path, and return their paths."""
        parts = (self.duel, self.outcome, self.times)
        makers: tuple[tuple[Path | None, Callable[[], bytes]], ...] = (
            (html, lambda: duel_page(*parts).encode()),
            (markdown, lambda: duel_markdown(*parts).encode()),
        )
        for path, make in makers:
            if path is not None:
                replace_file(path, make())
        return tuple(path for path, _ in makers if path is not None)
