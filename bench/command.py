"""How a package of `bench` is run as a command."""

import sys
from collections.abc import Callable

import typer

from harness.errors import HarnessError


def run_command(main: Callable[..., None], package: str) -> None:
    """Run a function as the command of a package; bad input is one line and exit status 2."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    try:
        app(prog_name=f"python -m {package}")
    except HarnessError as error:
        typer.echo(f"{package}: {error}", err=True)
        sys.exit(2)
