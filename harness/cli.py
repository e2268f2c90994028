"""The command line: one function a command, which parses, calls one other module, and prints.

Results go to standard output, progress and warnings to standard error. Exit status: 0 fine, 1 a
regression, 2 bad usage or unreadable input, 3 undecided under --strict.
"""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="harness",
    help="What recording gradients costs your PyTorch model, in time and in exact bytes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

RunFiles = Annotated[list[Path], typer.Argument(metavar="RUN.json...", help="run files")]


@app.command()
def versions(
    runs: RunFiles,
    tables: Annotated[Path, typer.Option(help="folder that the tables are written to")] = Path(
        "results/tables/torch"
    ),
) -> None:
    """Put runs under several torch versions side by side, a table a question."""
    from harness.record.store import load_run, replace_file
    from harness.report.versions import version_pages

    for question, page in version_pages([load_run(path) for path in runs]).items():
        replace_file(tables / f"{question}.md", page.encode())
        typer.echo(tables / f"{question}.md")
