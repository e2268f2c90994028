"""`python -m bench.savings`: what no_grad, freezing and one parameter group save on models of a record."""

from pathlib import Path
from typing import Annotated

import typer

from bench.command import run_command
from harness.record.schema import Record, Run
from harness.record.store import load_run, replace_file
from harness.report.tables import environment_lines
from harness.report.text import markdown_table
from harness.report.units import quantity

COLUMNS = (
    *("model", "peak", "under no_grad"),
    *("training step's peak", "trunk frozen"),
    *("optimizer launches, one group", "a group a parameter"),
)
# Of which question, reference and other arm, and which exact number, two columns each are.
PAIRS = (
    ("grad_mode", "eval", "grad", "no_grad", "peak"),
    ("freezing", "train", "all trainable", "trunk frozen", "peak"),
    ("decay_groups", "train", "one group", "one group a parameter", "optimizer launches"),
)


def savings(run: Run) -> str:
    """Return the table in markdown; a cell is empty where an arm does not apply to the model."""
    models = dict.fromkeys((r.case.model, r.case.dtype, r.case.batch_size) for r in run.records)
    rows = []
    for model in models:
        name, dtype, batch = model
        cells = [f"{name}, {dtype}, batch {batch}"]
        for question, mode, *arms, metric in PAIRS:
            records = [
                r
                for r in run.records
                if (r.case.model, r.case.dtype, r.case.batch_size) == model
                and (r.case.question, r.case.mode) == (question, mode)
                and r.case.variant in {"", "adamw-foreach"}
            ]
            cells += [_cell(records[:1], arm, metric, run) for arm in arms]
        rows.append(tuple(cells))
    head = "  \n".join(environment_lines(run.environment))
    return f"# What is saved on real models\n\n{head}\n\n{markdown_table(COLUMNS, rows)}\n"


def _cell(records: list[Record], arm: str, metric: str, run: Run) -> str:
    units = {each.name: each.unit for each in run.metrics}
    for record in records:
        result = record.arm(arm)
        if result is not None and metric in result.counts:
            return quantity(result.counts[metric], units[metric])
    return ""


def main(
    run: Annotated[Path, typer.Option("--from", metavar="FILE", help="the record of a run")],
    markdown: Annotated[Path, typer.Option(metavar="FILE", help="write the table to this file")],
) -> None:
    """Write the table of what is saved."""
    replace_file(markdown, savings(load_run(run)).encode())


if __name__ == "__main__":
    run_command(main, "bench.savings")
