"""`python -m bench.duels`: hold many duels, keep what they gave, and write its table."""

import contextlib
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from bench.command import Page, Record, Stored, run_command
from bench.duels.record import DuelTrial, DuelTrials, load_trials, trials_of
from bench.duels.table import trials_markdown
from harness.duel.session import Judged, hold_duel
from harness.duel.sides import Repository, git
from harness.errors import HarnessError
from harness.record.duel import Duel
from harness.record.schema import Environment
from harness.record.store import replace_file
from harness.report.progress import progress
from harness.setting import Setting

_CASES = Path(__file__).with_name("cases.py")
CASES = tuple(
    f"cases:{name}"
    for name in (
        "linear",
        "relu",
        "relu_8",
        "gelu",
        "gelu_256",
        "conv",
        "conv_4",
        "lstm",
        "transformer",
        "transformer_2",
    )
)


class Unwatched:
    """Takes what a duel tells of its restarts, and shows nothing: a bar of duels is shown."""

    def planned(self, restarts: int) -> None:
        """Take the number of restarts."""

    def restarted(self) -> None:
        """Count one more restart."""


@contextlib.contextmanager
def repository(planted: float) -> Iterator[Path]:
    """Make a repository whose revision `head` does so much more work than `base`, and go there."""
    named = (
        "-c",
        "user.name=bench.duels",
        "-c",
        "user.email=bench.duels@localhost",
        "-c",
        "commit.gpgsign=false",
    )
    with tempfile.TemporaryDirectory(prefix="bench-duels-") as folder, contextlib.chdir(folder):
        here = Path(folder)
        shutil.copy(_CASES, here / "cases.py")
        git(here, "init", "-q")
        for side, share in (("base", 0.0), ("head", planted)):
            (here / "planted").write_text(f"{share}\n")
            git(here, "add", ".")
            git(here, *named, "commit", "-q", "-m", side)
            git(here, "tag", side)
        yield here


def held(
    suites: int, singles: int, planted: float, seed: int
) -> Iterator[tuple[Environment, list[DuelTrial]]]:
    """Hold duels: of all cases at once with equal sides, and of one case at a time with planted work.

    Raises:
        HarnessError: there is no git.
    """
    around = Repository.around(Path.cwd())
    commit = around.commit("HEAD")[:12] if around else ""

    def place_and_trials(duel: Duel, share: float) -> tuple[Environment, list[DuelTrial]]:
        where = msgspec.structs.replace(duel.base.run.environment, commit=commit)
        return where, list(trials_of(Judged.of(duel), share))

    with repository(planted):
        for number in range(max(suites, singles)):  # in turns, so that an interrupted run has both
            if number < suites:
                yield place_and_trials(
                    hold_duel("base", "base", CASES, Unwatched(), setting=Setting(seed=seed + number)), 0.0
                )
            if number < singles:
                target = CASES[number % len(CASES)]
                yield place_and_trials(
                    hold_duel("base", "head", (target,), Unwatched(), setting=Setting(seed=seed + number)),
                    planted,
                )


def main(  # noqa: PLR0917 (typer makes an option of every argument)
    suites: Annotated[int, typer.Option(min=0, help="duels of ten cases with equal sides")] = 15,
    singles: Annotated[int, typer.Option(min=0, help="duels of one case with planted work")] = 16,
    planted: Annotated[float, typer.Option(min=0.001, help="the share of a call that is planted")] = 0.02,
    seed: Annotated[int, typer.Option(help="seed of the first duel; the next ones count on")] = 0,
    json: Record = Path("results/records/duels.json"),
    markdown: Page = Path("results/tables/duel/accuracy.md"),
    from_json: Stored = None,
) -> None:
    """Count what duels find of planted work, and what they say of equal sides."""
    if from_json is None:
        if not suites + singles:
            raise HarnessError("--suites and --singles are 0; nothing is left to hold")
        command = shlex.join(["python", "-m", "bench.duels", *sys.argv[1:]])
        target = json.resolve()
        trials: list[DuelTrial] = []
        with progress("duels", suites + singles) as step:
            for environment, more in held(suites, singles, planted, seed):
                trials += more
                record = DuelTrials(environment=environment, command=command, trials=tuple(trials))
                replace_file(target, msgspec.json.encode(record))  # what was held is kept, whatever comes
                step()
        typer.echo(f"wrote {json}", err=True)
    replace_file(markdown, (table := trials_markdown(load_trials(from_json or json))).encode())
    typer.echo(table)
    typer.echo(f"wrote {markdown}", err=True)


if __name__ == "__main__":
    run_command(main, "bench.duels")
