"""The work behind the command `measure`: a study that prints as it goes, and its files."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from harness.amounts import parse_sizes
from harness.errors import HarnessError
from harness.measuring import QUESTIONS, Mode, start_study
from harness.record.store import replace_file
from harness.report.measurement import closing_text, environment_text
from harness.report.page import run_page
from harness.report.perfetto import trace_file
from harness.report.watch import TerminalWatch


def measure_in_terminal(
    target: str,
    watch: TerminalWatch,
    *,
    questions: Sequence[str] | None,
    device: str,
    dtype: str,
    batch_size: str,
    memory_limit: str | None,
    mode: Mode,
    budget: float,
    loss: str,
    curve: bool,
    threads: int,
    seed: int,
    html: Path | None,
    trace: Path | None,
) -> None:
    """Measure a target as the command does; what was finished is kept, whatever happens.

    What goes wrong is told to the watcher and raised no further.
    """
    try:
        _set_threads(threads)
        study = start_study(
            target,
            questions=questions or QUESTIONS,
            device=device,
            dtype=dtype,
            batch_sizes=parse_sizes(batch_size) if batch_size else (),
            mode=mode,
            budget=budget,
            loss=loss,
            memory_limit=memory_limit,
            curve=curve,
            seed=seed,
            command=shlex.join(["harness", *sys.argv[1:]]),
            watch=watch,
        )
        watch.print(environment_text(study.run, watch.width))
        watch.print("")
        with watch.bar:
            study.measure()
    except HarnessError as error:
        watch.problem(str(error), error)
    run = watch.run
    if run is None:
        return
    if closing := closing_text(run, watch.width):
        watch.print(closing)
    if html is not None:
        replace_file(html, run_page(run).encode())
    if trace is not None:
        replace_file(trace, trace_file(run).encode())


def _set_threads(threads: int) -> None:
    if threads < 0:
        raise HarnessError(f"{threads} threads cannot run; give 0 (torch's own choice) or more")
    if threads:
        torch.set_num_threads(threads)
