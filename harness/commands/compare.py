"""`harness compare`: two stored runs side by side."""

import enum
from pathlib import Path
from typing import Annotated

import typer

from harness.commands.options import Html, Json, Strict


class Format(enum.StrEnum):
    """What a comparison is printed as."""

    TEXT = "text"
    MARKDOWN = "markdown"
    JSON = "json"
    JUNIT = "junit"


def compare(
    base: Annotated[Path, typer.Argument(metavar="BASE.json", help="a run, or pytest-benchmark's JSON")],
    head: Annotated[Path, typer.Argument(metavar="HEAD.json", help="run that is held against it")],
    form: Annotated[Format, typer.Option("--format", help="format to print")] = Format.TEXT,
    json: Json = None,
    html: Html = None,
    strict: Strict = False,
) -> None:
    """Compare two runs: exact values as integers, time as widely as stored time allows."""
    from harness.commands.files import print_report, write_json
    from harness.record.store import replace_file
    from harness.report.comparison_page import comparison_page
    from harness.report.outcomes import compare_files
    from harness.report.written import written

    outcome = compare_files(base, head)
    print_report(written([outcome], form.value), json)
    if json is not None:
        write_json(json, written([outcome], "json"), inputs=(base, head))
    if html is not None:
        replace_file(html, comparison_page([outcome]).encode())
    if outcome.fails:
        raise typer.Exit(1)
    if strict and outcome.undecided:
        raise typer.Exit(3)


def register(app: typer.Typer, group: str) -> None:
    """Put the command on the command line."""
    app.command(rich_help_panel=group)(compare)
