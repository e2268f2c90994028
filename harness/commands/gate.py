"""`harness gate`: runs against the committed baselines."""

from pathlib import Path
from typing import Annotated

import typer

from harness.commands.options import BareJson, Config, Json, RunFiles

_BASELINES = Path("results/baselines")
_CONFIG = Path("pyproject.toml")


def gate(
    runs: RunFiles,
    baseline: Annotated[
        Path, typer.Option(metavar="DIR", help="folder of baselines, a file a key")
    ] = _BASELINES,
    update: Annotated[bool, typer.Option("--update", help="write the baselines that the runs make")] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="drop rows that the runs do not hold, with --update")
    ] = False,
    every_baseline: Annotated[
        bool, typer.Option("--every-baseline", help="fail where no run meets a baseline")
    ] = False,
    config: Config = _CONFIG,
    json: Json = None,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="show all rows, and what would replace them")
    ] = False,
) -> None:
    """Hold runs against the committed baselines; exit with status 1 on any change."""
    import shlex

    from harness.commands.files import print_report, write_json
    from harness.report.outcomes import gate_files
    from harness.report.written import gate_text, written

    gated = gate_files(runs, baseline, config, update=update, prune=prune, every_baseline=every_baseline)
    if json is not None:
        write_json(json, written(gated.outcomes, "json"), inputs=runs)
    words = ["harness", "gate", *map(str, runs), "--baseline", str(baseline), "--update"]
    if config != _CONFIG:
        words += ["--config", str(config)]
    command = "" if update else shlex.join(words)
    print_report(gate_text(gated.outcomes, gated.changes, command, verbose=verbose), json)
    for path in gated.written:
        typer.echo(f"wrote {path}", err=True)
    if gated.fails:
        raise typer.Exit(1)


def register(app: typer.Typer, group: str) -> None:
    """Put the command on the command line."""
    app.command(cls=BareJson, rich_help_panel=group)(gate)
