"""A study as it is seen in a terminal: tables on standard output as they are finished, the rest beside it."""

import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from harness.record.codec import encode
from harness.record.schema import Case, Record, Run
from harness.record.store import STANDARD_OUTPUT, replace_file
from harness.report.inert import escaped_json, printable
from harness.report.measurement import record_text, times_text_of
from harness.report.progress import ProgressBar

_WIDEST = 120


class Output(Console):
    """Standard output that may end early, as `head` lets it: measuring goes on, and files are written."""

    def on_broken_pipe(self) -> None:
        """Print no more; the default ends the program, which would look like the model's own end."""
        with suppress(SystemExit):
            super().on_broken_pipe()


@dataclass(slots=True)
class TerminalWatch:
    """Prints what is finished and keeps it in a file; says what goes wrong on standard error."""

    json: Path | None = None
    shows_traceback: bool = False
    verbose: bool = False
    run: Run | None = None
    problems: list[str] = field(default_factory=list)
    printed: dict[str, Record] = field(default_factory=dict)  # by case, as it was last
    heed: Callable[[], None] = lambda: None  # raises where somebody asked to stop
    out: Console = field(default_factory=Output)
    err: Console = field(default_factory=lambda: Console(stderr=True))
    bar: ProgressBar = field(init=False)

    def __post_init__(self) -> None:
        self.bar = ProgressBar("looking at the model", err=self.err)
        if self.json == STANDARD_OUTPUT:
            self.out = Console(quiet=True)

    @property
    def width(self) -> int:
        """Return how wide a line may be."""
        return min(self.out.width, _WIDEST)

    def planned(self, arms: int) -> None:
        """Make the bar longer."""
        self.bar.extend(arms)

    def measuring(self, case: Case, arm: str) -> None:
        """Name what is being measured."""
        self.heed()
        self.bar.describe(f"{case.question} b{case.batch_size}: {arm}")
        self.bar.advance()

    def kept(self, run: Run) -> None:
        """Keep the run so far: it is there whatever comes."""
        self.run = run
        if self.json is not None and self.json != STANDARD_OUTPUT:
            replace_file(self.json, encode(run))

    def end(self) -> None:
        """Print the run as JSON, where standard output takes it."""
        if self.run is not None and self.json == STANDARD_OUTPUT:
            sys.stdout.write(escaped_json(encode(self.run).decode()))

    def finished(self, record: Record) -> None:
        """Print a record's tables."""
        if self.run is None:
            raise RuntimeError("a record was finished before anything was kept")
        if record.case.id in self.printed:
            text = times_text_of(self.run, record, self.width)
        else:
            text = record_text(self.run, record, self.width, verbose=self.verbose)
        if text:
            self.print(text)
        self.printed[record.case.id] = record

    def catch_up(self) -> None:
        """Print what is there whole and was not printed: an interrupt came in between."""
        if self.run is None:
            return
        begun = {case for case, _ in self.run.missing}
        for record in self.run.records:
            before = self.printed.get(record.case.id)
            timed = {bool(arm.timings) for arm in record.arms if arm.status == "ok"}
            if record.case.id not in begun and (before is None or (before != record and timed == {True})):
                self.finished(record)

    def note(self, line: str) -> None:
        """Say it on standard error."""
        self.err.print(printable(f"note: {line}"), markup=False, highlight=False, soft_wrap=True)

    def problem(self, line: str, error: BaseException | None = None) -> None:
        """Say it on standard error, with the traceback where that is wanted."""
        self.problems.append(line)
        self.err.print(printable(f"harness: {line}"), markup=False, highlight=False, soft_wrap=True)
        if error is not None and self.shows_traceback:
            text = "".join(traceback.format_exception(error))
            self.err.print(printable(text), markup=False, highlight=False, soft_wrap=True)

    def print(self, text: str) -> None:
        """Print a result, as it is."""
        self.out.print(printable(text), markup=False, highlight=False, soft_wrap=True)
