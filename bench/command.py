"""How a package of `bench` is run as a command, and the options that all of them have."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from harness.errors import HarnessError

Record = Annotated[Path, typer.Option("--json", metavar="FILE", help="keep what is measured in this file")]
Page = Annotated[Path, typer.Option("--markdown", metavar="FILE", help="write the tables to this file")]
Stored = Annotated[
    Path | None, typer.Option("--from", metavar="FILE", help="measure nothing; write the tables of this file")
]


def run_command(main: Callable[..., None], package: str) -> None:
    """Run a function as the command of a package; bad input is one line and exit status 2."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    try:
        app(prog_name=f"python -m {package}")
    except HarnessError as error:
        typer.echo(f"{package}: {error}", err=True)
        sys.exit(2)
