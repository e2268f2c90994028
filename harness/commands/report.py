"""`harness report`: what stored files say, for people and for other tools."""

from pathlib import Path
from typing import Annotated

import typer

from harness.commands.options import Config, Html, Json, Markdown, RunFiles


def report(
    runs: RunFiles,
    baseline: Annotated[
        Path | None, typer.Option(metavar="DIR", help="folder of baselines to hold the runs against")
    ] = None,
    config: Config = Path("pyproject.toml"),
    markdown: Markdown = None,
    html: Html = None,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="write JUnit XML")] = None,
    json: Json = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="draw what a step holds over time, to this SVG file")
    ] = None,
    bencher: Annotated[Path | None, typer.Option(metavar="FILE", help="write Bencher Metric Format")] = None,
    smaller_is_better: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="write github-action-benchmark's customSmallerIsBetter"),
    ] = None,
    tables: Annotated[
        Path | None, typer.Option(metavar="DIR", help="write the tables of one run, a file a question")
    ] = None,
) -> None:
    """Write what runs say for people and for other tools; markdown is printed where no file is named."""
    from harness.commands.files import check_output, print_report, write_json
    from harness.record.store import STANDARD_OUTPUT, replace_file
    from harness.report.outcomes import report_files
    from harness.report.written import WRITERS
    from harness.stored import report_stored

    files = {
        "markdown": markdown,
        "html": html,
        "plot": plot,
        "junit": junit,
        "json": json,
        "bencher": bencher,
        "smaller_is_better": smaller_is_better,
    }
    if json is not None:
        check_output(json, runs)
    if report_stored(runs, files, tables, lambda line: print_report(line, None)):
        return
    loaded, outcomes = report_files(runs, baseline, config)
    for name, path in files.items():
        if path is None:
            continue
        if name == "json" and path == STANDARD_OUTPUT:
            write_json(path, WRITERS["json"](loaded, outcomes))
            continue
        replace_file(path, WRITERS[name](loaded, outcomes).encode())
        print_report(str(path), json)
    if tables is not None:
        from harness.report.inert import file_name
        from harness.report.tables import question_pages

        for question, page in question_pages(loaded[0]).items():
            path = tables / f"{file_name(question)}.md"
            replace_file(path, page.encode())
            print_report(str(path), json)
    elif not any(files.values()):
        print_report(WRITERS["markdown"](loaded, outcomes), None)


def register(app: typer.Typer, group: str) -> None:
    """Put the command on the command line."""
    app.command(rich_help_panel=group)(report)
