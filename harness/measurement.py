"""What was measured of one model, for Python and notebooks; it needs no torch."""

import sys
from dataclasses import dataclass, field

from harness.errors import HarnessError
from harness.record.schema import Case, Record, Run
from harness.report.measurement import measurement_text


@dataclass(frozen=True, slots=True, repr=False)
class Measurement:
    """What was measured of a model: tables as text, the page in a notebook, and the run itself.

    Attributes:
        run: everything, raw samples included.
        notes: what a reader of the numbers should know.
        problems: what could not be measured, and why.
    """

    run: Run
    notes: tuple[str, ...]
    problems: tuple[str, ...]

    def __str__(self) -> str:
        """Return the tables for a terminal."""
        return "\n".join([*self.notes, *self.problems, measurement_text(self.run)])

    def __repr__(self) -> str:
        """Say in a line what is here."""
        models = ", ".join(dict.fromkeys(record.case.model for record in self.run.records))
        size = f"{len(self.run.records)} record{'s' * (len(self.run.records) != 1)}"
        return f"<Measurement of {models or 'nothing'}: {size}; print() shows tables, to_html() a page>"

    def record(self, question: str, batch_size: int | None = None) -> Record:
        """Return the record of a question, at the first batch size unless told.

        Raises:
            HarnessError: it was not measured.
        """
        for record in self.run.records:
            if record.case.question == question and batch_size in (None, record.case.batch_size):
                return record
        questions = dict.fromkeys(record.case.question for record in self.run.records)
        raise HarnessError(f"no {question!r} was measured; there are {', '.join(questions)}")

    def to_html(self) -> str:
        """Return the page, whole and self-contained."""
        from harness.report.page import run_page  # matplotlib takes 0.8 s to import, and most need no page

        return run_page(self.run)

    def _repr_html_(self) -> str:
        """Show the page in a notebook, in a frame of its own: its style stays away from the notebook's."""
        from markupsafe import escape

        return (
            f'<iframe srcdoc="{escape(self.to_html())}" style="width:100%;height:40rem;border:0"'
            ' sandbox title="autograd-harness"></iframe>'
        )


@dataclass(slots=True)
class Collecting:
    """A watcher that keeps what is said; it can show how far it is, in a line that it writes over."""

    shows_progress: bool = False
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    arms: int = 0
    done: int = 0

    def planned(self, arms: int) -> None:
        """Count more arms."""
        self.arms += arms

    def measuring(self, case: Case, arm: str) -> None:
        """Name what is being measured."""
        self.done += 1
        self._show(f"{self.done} of {self.arms}: {case.question} b{case.batch_size}, {arm}")

    def kept(self, run: Run) -> None:
        """Clear the line where the run is complete."""
        if run.complete:
            self._show("")

    def finished(self, record: Record) -> None:
        """Take no notice."""

    def note(self, line: str) -> None:
        """Keep it."""
        self.notes.append(line)

    def problem(self, line: str, error: BaseException | None = None) -> None:  # noqa: ARG002 (the protocol's)
        """Keep it."""
        self.problems.append(line)

    def _show(self, text: str) -> None:
        if self.shows_progress:
            line = f"\r{text[:79]:<79}"
            print(line, end="" if text else "\r", file=sys.stderr, flush=True)  # noqa: T201 (for a notebook)
