"""The work behind the command `measure`: a study that prints as it goes, and its files."""

import os
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import torch

from harness.amounts import parse_sizes
from harness.errors import HarnessError
from harness.measure.history import check_history
from harness.measure.torch_compat import check_device
from harness.measuring import QUESTIONS, Mode, start_study
from harness.record.store import replace_file
from harness.report.measurement import closing_text, environment_text, took_line
from harness.report.perfetto import trace_file
from harness.report.text import wrapped_text
from harness.report.watch import TerminalWatch


def measure_in_terminal(
    target: str,
    watch: TerminalWatch,
    *,
    questions: Sequence[str] | None,
    device: str,
    dtype: str,
    memory_format: str,
    batch_size: str,
    memory_limit: str | None,
    mode: Mode,
    trainable: Sequence[str],
    budget: float,
    loss: str,
    curve: bool,
    threads: int,
    seed: int,
    html: Path | None,
    trace: Path | None,
    memory_history: Path | None,
) -> None:
    """Measure a target as the command does; what was finished is kept, whatever happens.

    What goes wrong is told to the watcher and raised no further.
    """
    began = time.perf_counter() - _age_of_process()
    try:
        _set_threads(threads)
        if memory_history is not None:
            check_device(device)
            check_history(device, memory_history)
        study = start_study(
            target,
            questions=questions or QUESTIONS,
            device=device,
            dtype=dtype,
            memory_format=memory_format,
            batch_sizes=parse_sizes(batch_size) if batch_size else (),
            mode=mode,
            trainable=trainable,
            budget=budget,
            loss=loss,
            memory_limit=memory_limit,
            curve=curve,
            seed=seed,
            command=shlex.join(["harness", *sys.argv[1:]]),
            began=began,
            watch=watch,
        )
        watch.print(environment_text(study.run, watch.width))
        watch.print("")
        with watch.bar:
            study.measure()
        if memory_history is not None:
            study.write_memory_history(memory_history)
    except HarnessError as error:
        watch.problem(str(error), error)
    run = watch.run
    if run is None:
        return
    if closing := closing_text(run, watch.width):
        watch.print(closing)
    if html is not None:
        from harness.report.page import run_page  # matplotlib takes 0.8 s to import, and most need no page

        replace_file(html, run_page(run).encode())
    if trace is not None:
        replace_file(trace, trace_file(run).encode())
    took = took_line(msgspec.structs.replace(run, wall_s=time.perf_counter() - began))
    watch.print(wrapped_text(took, watch.width))


def _set_threads(threads: int) -> None:
    if threads < 0:
        raise HarnessError(f"{threads} threads cannot run; give 0 (torch's own choice) or more")
    if threads:
        torch.set_num_threads(threads)


def _age_of_process() -> float:
    """Return the seconds since this process was started, its imports among them; 0 where none can tell."""
    try:
        fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:  # not Linux
        return 0.0
    started = int(fields[19]) / os.sysconf("SC_CLK_TCK")  # seconds since the machine was, as proc(5) has it
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started
