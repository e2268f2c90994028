"""A duel while it goes on: a bar of restarts on standard error."""

from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


@dataclass(slots=True)
class DuelWatch:
    """Draws the bar when it moves, never by a thread beside the measurement."""

    bar: Progress = field(init=False)

    def __post_init__(self) -> None:
        err = Console(stderr=True)
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=err,
            auto_refresh=False,
            transient=True,
            disable=not err.is_terminal,
        )
        self.bar.add_task("restarts of both sides", total=None)

    def planned(self, restarts: int) -> None:
        """Take the number of restarts."""
        self.bar.update(self.bar.tasks[0].id, total=restarts)
        self.bar.refresh()

    def restarted(self) -> None:
        """Move on by one."""
        self.bar.advance(self.bar.tasks[0].id)
        self.bar.refresh()
