"""`harness versions`: the same questions under several torch versions."""

from pathlib import Path
from typing import Annotated

import typer

from harness.commands.options import Json, RunFiles


def versions(
    runs: RunFiles,
    tables: Annotated[Path, typer.Option(help="folder that the tables are written to")] = Path(
        "results/torch"
    ),
    json: Json = None,
) -> None:
    """Put runs under several torch versions side by side, a table a question."""
    from harness.commands.files import print_report, write_json
    from harness.record.store import load_run, newest_by_version, replace_file
    from harness.report.inert import file_name
    from harness.report.versions import version_pages

    loaded = [
        run
        for path in runs
        for run in (
            newest_by_version(path) if path.is_dir() and path.suffix != ".partial" else (load_run(path),)
        )
    ]
    pages = version_pages(loaded)
    for question, page in pages.items():
        written = tables / f"{file_name(question)}.md"
        replace_file(written, page.encode())
        print_report(str(written), json)
    if json is not None:
        write_json(json, pages)


def register(app: typer.Typer, group: str) -> None:
    """Put the command on the command line."""
    app.command(rich_help_panel=group)(versions)
