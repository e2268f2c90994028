"""`python -m bench.atlas`: chart every architecture that is not charted yet, keep all, and write the page."""

import os
import signal
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from bench.atlas.record import Atlas, Run, Subject, load_atlas, merged
from bench.atlas.table import counts, in_markdown, most_common_reasons
from bench.command import Page, Record, Stored, run_command
from harness.errors import HarnessError
from harness.record.store import replace_file
from harness.report.progress import progress
from harness.report.tables import environment_lines


def chart_all(subjects: tuple[Subject, ...], path: Path, workers: int, limit: float) -> None:
    """Chart subjects, and keep every chart as it is made.

    Raises:
        HarnessError: a file of charts is there, and is none, or cannot be written.
    """
    import torch

    from bench.atlas.crew import charts
    from bench.atlas.sources import subjects as offered_by
    from harness.measure.environment import environment

    torch.set_num_threads(1)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that workers end with this process
    before = load_atlas(path) if path.exists() else Atlas(runs={}, charts=())
    where = environment("cpu")
    runs = {
        family: Run(
            environment=where,
            command=f"python -m bench.atlas --family {family}",
            offered=len(offered_by((family,), ())),
        )
        for family in dict.fromkeys(subject.family for subject in subjects)
    }
    atlas = Atlas(runs=before.runs | runs, charts=before.charts)
    with progress("architectures", len(subjects)) as step:
        for chart in charts(subjects, workers, limit):
            atlas = msgspec.structs.replace(atlas, charts=merged(atlas.charts, (chart,)))
            replace_file(path, msgspec.json.encode(atlas))
            step()


def in_terminal(atlas: Atlas, only: tuple[Subject, ...]) -> str:
    """Return the answer in a few lines: what was measured, what balances, and the reasons for the rest."""
    lines: list[str] = []
    shown = [chart for chart in atlas.charts if not only or chart.subject in only]
    for family in dict.fromkeys(chart.subject.family for chart in shown):
        charts = [chart for chart in shown if chart.subject.family == family]
        every, measured, balanced, varying, unbalanced, without, _ = counts(charts)
        if family in atlas.runs:
            lines += environment_lines(atlas.runs[family].environment)
        lines.append(
            f"{family}: {measured} of {every} measured; {balanced} balance in both modes, {varying} vary,"
            f" {unbalanced} have open books, {without} have no books in a mode"
        )
        lines += [f"  not measured, {count}: {reason}" for reason, count in most_common_reasons(charts)[:8]]
    return "\n".join(lines)


def main(  # noqa: PLR0917 (typer makes an option of every argument)
    family: Annotated[
        list[str] | None, typer.Option(help="only transformers or timm; may be given more than once")
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="TYPE", help="only this architecture; may be given several times"),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="also what is charted already")] = False,  # noqa: FBT002 (a flag)
    unmeasured: Annotated[  # noqa: FBT002 (a flag)
        bool, typer.Option("--unmeasured", help="again what is charted without numbers")
    ] = False,
    workers: Annotated[int, typer.Option(min=1, help="processes beside each other")] = min(
        2, os.cpu_count() or 1
    ),
    limit: Annotated[float, typer.Option(min=1.0, help="seconds for one architecture")] = 60.0,
    json: Record = Path("results/records/atlas.json"),
    markdown: Page = Path("results/tables/atlas.md"),
    from_json: Stored = None,
) -> None:
    """Keep the books of small models of every architecture, and say of the others why not."""
    wanted: tuple[Subject, ...] = ()
    if from_json is None:
        from bench.atlas.sources import subjects

        wanted = subjects(tuple(family or ()), tuple(only or ()))
        charted = {
            chart.subject: chart.is_measured for chart in (load_atlas(json).charts if json.exists() else ())
        }
        todo = tuple(
            subject
            for subject in wanted
            if again or subject not in charted or (unmeasured and not charted[subject])
        )
        if not wanted:
            raise HarnessError("no library of architectures is installed: pip install transformers timm")
        if todo:
            chart_all(todo, json, workers, limit)
            typer.echo(f"wrote {json}", err=True)
    atlas = load_atlas(from_json or json)
    replace_file(markdown, in_markdown(atlas).encode())
    typer.echo(in_terminal(atlas, wanted))
    typer.echo(f"wrote {markdown}", err=True)


if __name__ == "__main__":
    run_command(main, "bench.atlas")
