"""`harness fleet`: a job for each question and model, on many machines."""

import enum
import shutil
from pathlib import Path
from typing import Annotated

import typer

from harness.commands.options import Json, Markdown, Questions


class Cluster(enum.StrEnum):
    """Who runs the jobs of a fleet."""

    LOCAL = "local"
    SLURM = "slurm"


def fleet(
    targets: Annotated[list[str], typer.Argument(metavar="TARGET...", help="models, as in measure")],
    question: Questions = None,
    cluster: Annotated[
        Cluster, typer.Option(help="machines: local, this one, a job at a time; or slurm")
    ] = Cluster.LOCAL,
    folder: Annotated[
        Path,
        typer.Option(metavar="DIR", help="folder for run files and logs, on a disk that all machines share"),
    ] = Path("fleet"),
    setting: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE", help="setting of submitit's executor, such as slurm_partition=gpu"
        ),
    ] = None,
    options: Annotated[
        str, typer.Option(help="options for measure, such as '--device cuda --budget 1'")
    ] = "",
    json: Json = None,
    markdown: Markdown = None,
) -> None:
    """Measure models on many machines, a job for each question and model; machines are not compared."""
    import shlex

    from harness.commands.files import print_report, write_json
    from harness.ranks.fleet import send, settings_of, tasks
    from harness.record.codec import encode
    from harness.record.store import replace_file
    from harness.report.fleet import fleet_text
    from harness.setting import QUESTIONS

    waiting = tasks(targets, question or QUESTIONS, shlex.split(options), folder)
    outcome = send(
        waiting, cluster.value, folder, settings_of(setting or ()), lambda line: typer.echo(line, err=True)
    )
    text = fleet_text(outcome.runs, shutil.get_terminal_size().columns)
    print_report(text, json)
    if json is not None:
        write_json(json, b"[" + b",".join(encode(run).strip() for run in outcome.runs) + b"]")
    if markdown is not None:
        replace_file(markdown, f"```\n{text}\n```\n".encode())
    if outcome.problems:
        raise typer.Exit(2)


def register(app: typer.Typer, group: str) -> None:
    """Put the command on the command line."""
    app.command(rich_help_panel=group)(fleet)
