"""`harness trend`: where a number changed over many runs."""

from pathlib import Path
from typing import Annotated

import typer

from harness.commands.options import BareJson, Json, RunFiles


def trend(
    runs: RunFiles,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="draw what changed (.svg, .png)")] = None,
    json: Json = None,
) -> None:
    """Show every case and metric over runs, with where it changed."""
    from harness.commands.files import print_report, write_json
    from harness.report.outcomes import trend_files
    from harness.report.trend_text import trend_json, trend_text

    history = trend_files(runs)
    if json is not None:
        write_json(json, trend_json(history), inputs=runs)
    print_report(trend_text(history), json)
    if plot is not None:
        from harness.report.trend_plot import draw_trend

        draw_trend(history, plot)
        typer.echo(plot, err=True)


def register(app: typer.Typer, group: str) -> None:
    """Put the command on the command line."""
    app.command(cls=BareJson, rich_help_panel=group)(trend)
