"""A duel while it goes on: a bar of restarts on standard error."""

from dataclasses import dataclass, field

from harness.report.progress import ProgressBar


@dataclass(slots=True)
class DuelWatch:
    """Counts restarts on a bar."""

    bar: ProgressBar = field(default_factory=lambda: ProgressBar("restarts of both sides"))

    def planned(self, restarts: int) -> None:
        """Take the number of restarts."""
        self.bar.extend(restarts)

    def restarted(self) -> None:
        """Move on by one."""
        self.bar.advance()
