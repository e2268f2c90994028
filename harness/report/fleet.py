"""Runs of many machines in one text, each machine by itself."""

from collections.abc import Sequence

from harness.record.schema import Run
from harness.report.measurement import measurement_text
from harness.report.text import many

APART = "Times of different machines are not compared: a ratio is of two times of one machine."


def fleet_text(runs: Sequence[Run], width: int = 80) -> str:
    """Return what each machine measured, one after the other."""
    parts = [f"{_machine(run)}\n{measurement_text(run, width)}" for run in runs]
    return "\n".join([*parts, APART] if len(runs) > 1 else parts)


def _machine(run: Run) -> str:
    where = run.environment
    name = f"machine {where.host or 'without a name'}, torch {where.torch}, {many(len(run.records), 'case')}"
    return f"{name}\n{'=' * len(name)}"
