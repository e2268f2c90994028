"""The command line: a file a command, and the short list of them, grouped by what a person wants.

Results go to standard output, progress and warnings to standard error. Exit status: 0 fine, 1 a
regression, 2 bad usage or unreadable input, 3 undecided under --strict, 130 interrupted.
"""

from importlib import import_module
from importlib.metadata import version
from typing import Annotated

import typer

# file: (the group in which --help shows it, when it is what you want)
COMMANDS = {
    "measure": ("Measure my model", "what gradients cost a model, where its memory is, what freezing buys"),
    "fit": ("Measure my model", "what to change so that training fits a memory limit, and what that costs"),
    "fleet": ("Measure my model", "the same for many models, on many machines or under Slurm"),
    "gate": ("Guard my CI", "fail a build on any byte, node or operator that changed"),
    "report": ("Guard my CI", "a page, a job summary, JUnit or JSON of what was stored"),
    "compare": ("Compare versions", "two stored runs side by side"),
    "duel": ("Compare versions", "two commits or two interpreters, timed against each other"),
    "trend": ("Compare versions", "where a number changed, over many stored runs"),
    "versions": ("Compare versions", "the same questions under several torch versions, in tables"),
    "bisect": (
        "Compare versions",
        "the first commit or torch version after which a target takes other bytes, counts or time",
    ),
    "doctor": ("Check the instrument", "how noisy this machine is now, what makes it so, what would help"),
    "calibrate": ("Check the instrument", "what this machine can resolve, and how often it is wrong"),
    "claims": ("Check the instrument", "statements about gradients and weight decay, put to the test"),
}


app = typer.Typer(
    name="harness",
    help="What recording gradients costs your PyTorch model, in time and in exact bytes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"harness {version('autograd-harness')}, torch {version('torch')}")
        raise typer.Exit


@app.callback()
def _main(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_say_version, is_eager=True, help="show the version, and torch's"),
    ] = False,
) -> None:
    """Take what belongs to no command."""


for _name, (_group, _when) in COMMANDS.items():
    # A command is the function of its file's name; what it needs of torch it imports when it runs.
    import_module(f"harness.commands.{_name}").register(app, _group)
