"""The work behind `measure --wrap`: this process is one rank of those that torchrun started."""

import math
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from harness.amounts import parse_sizes
from harness.errors import HarnessError
from harness.ranks.place import Place, RanksError, place_of, started_by_launcher
from harness.record.measured import Case
from harness.record.store import replace_file
from harness.report.measurement import environment_text
from harness.report.watch import TerminalWatch


def measure_over_ranks(
    target: str,
    watch: TerminalWatch,
    *,
    wrap: str,
    time_limit: float,
    device: str,
    dtype: str,
    memory_format: str,
    batch_size: str,
    mode: str,
    budget: float,
    loss: str,
    threads: int,
    seed: int,
    html: Path | None,
    unasked: Mapping[str, object],
) -> None:
    """Measure a target as one of several ranks; rank 0 prints and writes.

    Ends the process with status 2 where something cannot be measured.

    Args:
        target: as on the command line.
        watch: of this process.
        wrap: "ddp" or "fsdp2".
        time_limit: seconds that a rank may stay where it is.
        device: "cpu" or "cuda"; each rank takes the CUDA device of its number on its node.
        dtype: as on the command line.
        memory_format: "channels_last", or "" for torch's own.
        batch_size: of each rank, or a comma-separated list.
        mode: "train", "eval" or "".
        budget: seconds of timing for an arm and its reference.
        loss: a name, or "" for the model's own.
        threads: of each rank; 0 for torch's own choice.
        seed: of weights, inputs and order.
        html: where the page is written.
        unasked: by name, what was given of the options that have no meaning here.
    """
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # read when torch is loaded
    from harness.ranks.session import RankRequest, RankSession, spoken_once
    from harness.workload.questions.ranks import QUESTION, variant_of

    words = ["harness", *sys.argv[1:]]
    with spoken_once(None, watch):
        place = place_of(os.environ, shlex.join(words))
    if place.rank != 0:
        watch.json, watch.out = None, Console(quiet=True)

    def ask() -> RankRequest:
        for option, value in unasked.items():
            if value:
                raise RanksError(f"{option} has no meaning with --wrap; leave it out")
        _check(budget, threads)
        case = Case(
            question=QUESTION.name,
            model=target,
            device=device,
            dtype=dtype,
            batch_size=0,
            mode=mode or "train",
            variant=variant_of(wrap, place.ranks),
            memory_format=memory_format,
        )
        return RankRequest(
            cases=_cases(case, batch_size),
            budget=budget,
            device=device,
            seed=seed,
            threads=threads,
            loss=loss,
            command=_command(place, words),
        )

    with spoken_once(place, watch):
        if not 1 <= time_limit < math.inf:
            raise RanksError(f"a time limit of {time_limit} s cannot be kept; give 1 second or more")
        run = RankSession(place, ask, time_limit, watch).measure()
        watch.print(environment_text(run, watch.width))
        if html is not None and place.rank == 0:
            from harness.report.page import run_page

            replace_file(html, run_page(run).encode())
    if watch.problems:
        sys.exit(2)


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


def _check(budget: float, threads: int) -> None:
    if not 0 <= budget < math.inf:
        raise HarnessError(f"a budget of {budget} s cannot be spent; give 0 or more seconds")
    if threads < 0:
        raise HarnessError(f"{threads} threads cannot run; give 0 (torch's own choice) or more")


def _cases(case: Case, batch_size: str) -> tuple[Case, ...]:
    from harness.workload.sources import DTYPES, check_memory_format

    check_memory_format(case.memory_format)
    if case.dtype not in DTYPES:
        raise HarnessError(f"no dtype {case.dtype!r}; there are {', '.join(DTYPES)}")
    return tuple(replace(case, batch_size=size) for size in (parse_sizes(batch_size) if batch_size else (0,)))


def _command(place: Place, words: Sequence[str]) -> str:
    nodes = max(1, place.ranks // place.local_ranks)
    several = ["--nnodes", f"{nodes}"] if nodes > 1 else []
    return shlex.join(["torchrun", *several, "--nproc-per-node", f"{place.local_ranks}", "-m", *words])
