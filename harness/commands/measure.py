"""`harness measure`: everything about one model, printed as it is finished."""

import os
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.commands.options import (
    Html,
    Json,
    PatternsAfterTrain,
    Questions,
    Words,
    output_file,
    setting_of,
    with_setting,
)
from harness.errors import HarnessError
from harness.processes.interrupts import INTERRUPTED, Interrupts, interrupts_heard

if TYPE_CHECKING:
    from harness.report.watch import TerminalWatch


@with_setting("measure")
def measure(
    words: Words,
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="model: a built-in name, hf:NAME, timm:NAME, torchvision:NAME, or package.module:factory",
        ),
    ],
    question: Questions = None,
    json: Json = None,
    html: Html = None,
    trace: Annotated[
        Path | None, output_file("--trace", "write memory timelines that Perfetto opens")
    ] = None,
    memory_history: Annotated[
        Path | None, output_file("--memory-history", "write one step's memory history on CUDA, a pickle")
    ] = None,
    wrap: Annotated[
        str | None, typer.Option(metavar="ddp|fsdp2", help="train on all ranks that torchrun started")
    ] = None,
    time_limit: Annotated[float, typer.Option(help="seconds that a rank may be stuck, with --wrap")] = 300,
    traceback: Annotated[bool, typer.Option(help="show where an error came from")] = False,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="show all columns, and where the memory is, by module")
    ] = False,
) -> None:
    """Say what gradients cost a model of yours, where its memory is, and what freezing would buy."""
    from harness.ranks.wrapped import WrapRequest, check_alone, measure_over_ranks
    from harness.report.watch import TerminalWatch

    watch = TerminalWatch(json, shows_traceback=traceback, verbose=verbose)
    if wrap is not None:
        without_meaning = {
            "--question": question,
            "--memory-limit": words["memory_limit"],
            "--memory-history": memory_history,
            "--trace": trace,
        }
        request = WrapRequest(target, wrap, time_limit, html, without_meaning)
        measure_over_ranks(request, watch, lambda: setting_of(words))
        return
    check_alone(watch)
    began = time.perf_counter() - _age_of_process()
    with interrupts_heard() as interrupts:
        try:
            inquired = Inquired(target, question, memory_history, began)
            is_whole = _measure_alone(inquired, words, watch, interrupts)
            _write_files(watch, html, trace)
            _print_seconds(watch, began)
            _print_next(watch, target, html)
            watch.end()
        except KeyboardInterrupt:  # when all was measured, or for the second time
            watch.note("interrupted")
            is_whole = False
    if not is_whole:
        raise typer.Exit(INTERRUPTED)
    if watch.problems or (watch.run is not None and not watch.run.complete):
        raise typer.Exit(2)


@dataclass(frozen=True, slots=True)
class Inquired:
    """What the command line says beside the setting; `began` is on the clock of `time.perf_counter`."""

    target: str
    questions: list[str] | None
    memory_history: Path | None
    began: float


def _measure_alone(inquired: Inquired, words: Words, watch: "TerminalWatch", interrupts: Interrupts) -> bool:
    """Measure a target; what was finished is kept, and what goes wrong is told to the watcher.

    Returns:
        Whether nobody interrupted it.
    """
    import shlex
    import sys

    from harness.report.measurement import closing_text, environment_text
    from harness.setting import QUESTIONS

    memory_history = inquired.memory_history
    study, is_whole = None, True
    watch.heed = interrupts.check
    stack = ExitStack()
    try:
        setting = setting_of(words)

        from harness.measure.leaving import exits_told
        from harness.session import Inquiry, start_study

        if memory_history is not None:
            from harness.measure.devices.registry import check_device
            from harness.measure.history import check_history

            check_device(setting.device)
            check_history(setting.device, memory_history)
        command = shlex.join(["harness", *sys.argv[1:]])
        inquiry = Inquiry(inquired.target, None, inquired.questions or QUESTIONS, command, inquired.began)
        stack.enter_context(exits_told(watch.problem))
        study = start_study(inquiry, setting, watch)
        with watch.bar:
            study.measure()
        if memory_history is not None:
            study.write_memory_history(memory_history)
        interrupts.check()
    except (HarnessError, SystemExit, KeyboardInterrupt) as error:
        if interrupts.came or isinstance(error, KeyboardInterrupt):
            is_whole = False
            watch.catch_up()
            missing = study.missing() if study is not None else ()
            watch.note(f"interrupted; missing: {', '.join(missing) or 'everything'}")
        elif isinstance(error, SystemExit):  # of what is measured: the command's own comes later
            watch.problem(f"what was measured ended the program with sys.exit({error.code!r})", error)
        else:
            watch.problem(str(error), error)
    finally:
        stack.close()
    if watch.run is not None and watch.run.records:
        if closing := closing_text(watch.run, watch.width):
            watch.print(closing)
        watch.print(environment_text(watch.run, watch.width))
    return is_whole


def _print_seconds(watch: "TerminalWatch", began: float) -> None:
    import msgspec

    from harness.report.measurement import took_line
    from harness.report.text import wrapped_text

    if watch.run is None:
        return
    took = took_line(msgspec.structs.replace(watch.run, wall_s=time.perf_counter() - began))
    watch.print(wrapped_text(took, watch.width))


def _print_next(watch: "TerminalWatch", target: str, html: Path | None) -> None:
    """Print the answer once more in a sentence, and what to do next, as commands."""
    from harness.report.measurement import headline_text, next_steps

    if watch.run is None or not watch.run.records:
        return
    steps = next_steps(watch.run, target, "" if html is None else str(html))
    watch.print(
        "\n".join(["", headline_text(watch.run, watch.width), "", "next:", *(f"  {step}" for step in steps)])
    )


def _write_files(watch: "TerminalWatch", html: Path | None, trace: Path | None) -> None:
    from harness.record.store import replace_file

    if watch.run is None:
        return
    if html is not None:
        from harness.report.page import run_page  # matplotlib takes 0.8 s to import, and most need no page

        replace_file(html, run_page(watch.run).encode())
    if trace is not None:
        from harness.report.perfetto import trace_file

        replace_file(trace, trace_file(watch.run).encode())


def _age_of_process() -> float:
    """Return the seconds since this process was started, its imports among them; 0 where none can tell."""
    try:
        fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:  # not Linux
        return 0.0
    started = int(fields[19]) / os.sysconf("SC_CLK_TCK")  # seconds since the machine was, as proc(5) has it
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started


def register(app: typer.Typer, group: str) -> None:
    """Put the command on the command line."""
    app.command(cls=PatternsAfterTrain, rich_help_panel=group)(measure)
