"""One rank of `measure --wrap`: this process is one rank of those that torchrun started."""

import math
import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from harness.processes.lifeline import die_with
from harness.ranks.place import Place, RanksError, place_of, started_by_launcher
from harness.record.measured import Case
from harness.record.store import replace_file
from harness.report.measurement import environment_text
from harness.report.watch import TerminalWatch
from harness.setting import Setting


@dataclass(frozen=True, slots=True)
class WrapRequest:
    """What `measure --wrap` is to do.

    Attributes:
        target: as on the command line.
        wrap: "ddp" or "fsdp2".
        time_limit: seconds that a rank may stay where it is.
        html: where the page is written; None for no page.
        without_meaning: by name, what was given of the options that have no meaning here.
    """

    target: str
    wrap: str
    time_limit: float
    html: Path | None
    without_meaning: Mapping[str, object]


def measure_over_ranks(
    request: WrapRequest, watch: TerminalWatch, make_setting: Callable[[], Setting]
) -> None:
    """Measure a target as one of several ranks; rank 0 prints and writes.

    Ends the process with status 2 where something cannot be measured.

    Args:
        request: what is measured.
        watch: of this process.
        make_setting: may refuse, which all ranks then do together. Of devices other than the CPU
            each rank takes the one of its number on its node.
    """
    if started_by_launcher(os.environ):
        die_with(os.getppid())
    from harness.ranks.session import RankRequest, RankSession, spoken_once

    words = ["harness", *sys.argv[1:]]
    with spoken_once(None, watch):
        place = place_of(os.environ, shlex.join(words))
    if place.rank != 0:
        watch.json, watch.out = None, Console(quiet=True)

    def ask() -> RankRequest:
        for option, value in request.without_meaning.items():
            if value:
                raise RanksError(f"{option} has no meaning with --wrap; leave it out")
        setting = make_setting()
        return RankRequest(
            cases=_cases(request, setting, place.ranks),
            budget=setting.pair_budget,
            device=setting.device,
            seed=setting.seed,
            threads=setting.threads,
            loss=str(setting.loss),
            command=_command(place, words),
        )

    with spoken_once(place, watch):
        if not 1 <= request.time_limit < math.inf:
            raise RanksError(
                f"a time limit of {request.time_limit:g} s cannot be kept; give 1 second or more"
            )
        run = RankSession(place, ask, request.time_limit, watch).measure()
        watch.print(environment_text(run, watch.width))
        if request.html is not None and place.rank == 0:
            from harness.report.page import run_page

            replace_file(request.html, run_page(run).encode())
        watch.end()
    if watch.problems:
        sys.exit(2)


def _cases(request: WrapRequest, setting: Setting, ranks: int) -> tuple[Case, ...]:
    from harness.workload.questions.ranks import QUESTION, variant_of

    model = _Unresolved(request.target)
    return tuple(
        setting.case(QUESTION.name, model, "train", variant=variant_of(request.wrap, ranks), batch_size=size)
        for size in setting.batch_sizes or (0,)
    )


@dataclass(frozen=True, slots=True)
class _Unresolved:
    """A model that each rank finds for itself; what is empty here is then the model's own."""

    name: str
    dtype: str = ""
    batch_size: int = 0


def check_alone(watch: TerminalWatch) -> None:
    """End the process, with a line from rank 0, where a launcher started it among others.

    Each of them would measure for itself, and write the same files.
    """
    if not started_by_launcher(os.environ):
        return
    from harness.ranks.session import spoken_once

    with spoken_once(place_of(os.environ, shlex.join(["harness", *sys.argv[1:]])), watch):
        raise RanksError(
            "a launcher started several ranks, and each would measure for itself; give --wrap ddp or"
            " --wrap fsdp2, or start one process"
        )


def _command(place: Place, words: Sequence[str]) -> str:
    nodes = max(1, place.ranks // place.local_ranks)
    several = ["--nnodes", f"{nodes}"] if nodes > 1 else []
    return shlex.join(["torchrun", *several, "--nproc-per-node", f"{place.local_ranks}", "-m", *words])
