"""`python -m bench.suites`: other people's tests with the watch and without it, compared or timed."""

import re
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from bench.command import Page, Record, Stored, run_command
from bench.suites.outcomes import counted, differences
from bench.suites.record import SuiteResult, Suites, Timing, load_suites
from bench.suites.session import run_session
from bench.suites.sources import Workshop
from bench.suites.suites import SUITES, WORST_CASE, Suite
from bench.suites.table import suites_markdown
from bench.suites.timing import timed_pairs
from harness.errors import HarnessError
from harness.record.store import replace_file

_WHERE_TO = re.compile(r" --(?:folder|json|markdown) \S+")  # a path says nothing of what was run


def _say(line: str) -> None:
    typer.echo(line, err=True)


def compared(workshop: Workshop, suite: Suite, rounds: int) -> SuiteResult:
    """Run a suite without the flag and with it, in turn.

    Raises:
        HarnessError: pytest did not run the tests to their end.
    """
    without, with_flag = [], []
    for _ in range(rounds):
        without.append(run_session(workshop, suite, suite.tests, watched=False))
        with_flag.append(run_session(workshop, suite, suite.tests, watched=True))
    listed = with_flag[0]
    return SuiteResult(
        package=suite.package,
        version=suite.version,
        tests=suite.tests,
        outcomes=counted(without[0].outcomes),
        differences=differences([one.outcomes for one in without], [one.outcomes for one in with_flag]),
        calls=listed.calls,
        stopped=listed.stopped,
        processor=(without[0].processor, listed.processor),
        note=suite.note,
    )


def chosen(names: list[str] | None) -> tuple[Suite, ...]:
    """Return the suites of these packages, or all.

    Raises:
        HarnessError: there is no such suite.
    """
    known = {suite.package: suite for suite in SUITES}
    for name in names or ():
        if name not in known:
            raise HarnessError(f"no suite {name!r} here; there are {', '.join(known)}")
    return tuple(known[name] for name in names or known)


def main(  # noqa: PLR0917 (typer makes an option of every argument)
    suite: Annotated[list[str] | None, typer.Option(help="only this package; may be given again")] = None,
    folder: Annotated[
        Path, typer.Option(help="for sources and a virtual environment, 3 GB; what is there is used again")
    ] = Path("~/.cache/autograd-harness/suites"),
    rounds: Annotated[int, typer.Option(min=1, help="sessions of each side, to tell outcomes of chance")] = 1,
    time: Annotated[
        float, typer.Option(min=0, help="time both sides for so many seconds, and compare nothing")
    ] = 0,
    json: Record = Path("results/records/suites.json"),
    markdown: Page = Path("results/tables/suites.md"),
    from_json: Stored = None,
) -> None:
    """Run the tests of other packages with `--harness-watch` and without it, and compare how they end."""
    if from_json is None:
        measured(Workshop(folder.expanduser().resolve()), chosen(suite), rounds, time, json)
    suites = load_suites(from_json or json)
    replace_file(markdown, suites_markdown(suites).encode())
    typer.echo(suites_markdown(suites))


def measured(workshop: Workshop, selected: tuple[Suite, ...], rounds: int, budget: float, json: Path) -> None:
    """Run, and keep each result as soon as it is there.

    Raises:
        HarnessError: a package cannot be had, or its tests cannot be run.
    """
    import torch

    from harness.measure.environment import environment

    torch.set_num_threads(1)  # as sessions do
    workshop.set_up(selected, _say)
    # What is installed beside torch is that of the workshop, not of this process.
    where = msgspec.structs.replace(environment("cpu"), packages={})
    command = _WHERE_TO.sub("", shlex.join(["python", "-m", "bench.suites", *sys.argv[1:]]))
    suites = load_suites(json) if json.exists() else Suites(where, command)
    if budget:
        timing = Timing(where, command)
        for pair in timed_pairs(
            workshop, [*(one for one in selected if one.timed), WORST_CASE], budget, _say
        ):
            timing = replace(timing, pairs=(*timing.pairs, pair))
            replace_file(json, msgspec.json.encode(replace(suites, watched_time=timing)))
        return
    order = [one.package for one in SUITES]
    suites = replace(suites, environment=where, command=command)
    for one in selected:
        _say(f"{one.requirement}: its tests, without the flag and with it")
        others = [each for each in suites.suites if each.package != one.package]
        results = sorted(
            (*others, compared(workshop, one, rounds)), key=lambda each: order.index(each.package)
        )
        suites = replace(suites, suites=tuple(results))
        replace_file(json, msgspec.json.encode(suites))


if __name__ == "__main__":
    run_command(main, "bench.suites")
