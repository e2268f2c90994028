"""Progress on standard error, while something takes its time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from harness.report.inert import visible


class ProgressBar:
    """One line of what is done and what remains; nothing where standard error is not a terminal.

    It is drawn when it moves, never by a thread beside the measurement, and is gone at the end.
    """

    def __init__(self, text: str, total: int | None = None, err: Console | None = None) -> None:
        err = err or Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=err,
            auto_refresh=False,
            transient=True,
            disable=not err.is_terminal,
        )
        self._task = self._bar.add_task(text, total=total)

    def extend(self, count: int) -> None:
        """Add so many things to what is to be done."""
        self._bar.update(self._task, total=(self._bar.tasks[0].total or 0) + count)
        self._bar.refresh()

    def describe(self, text: str) -> None:
        """Say what is being done."""
        self._bar.update(self._task, description=visible(text))
        self._bar.refresh()

    def advance(self) -> None:
        """Count one more as done."""
        self._bar.advance(self._task)
        self._bar.refresh()

    def __enter__(self) -> Self:
        """Show it."""
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Remove it from the terminal."""
        self._bar.stop()


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[], None]]:
    """Show a bar; the function that is yielded moves it on by one."""
    with ProgressBar(what, total) as bar:
        yield bar.advance
