"""`harness fit`: what to change so that a training step fits."""

from typing import Annotated

import typer

from harness.commands.options import Html, Json, PatternsAfterTrain, Words, setting_of, with_setting
from harness.setting import parse_bytes


@with_setting("fit")
def fit(
    words: Words,
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="model: a built-in name, hf:NAME, timm:NAME, torchvision:NAME, or package.module:factory",
        ),
    ],
    limit: Annotated[
        str | None,
        typer.Option(
            "--in",
            metavar="SIZE",
            help="memory to fit into, such as 8GiB or 500MB; without it the whole frontier is shown",
        ),
    ] = None,
    allow: Annotated[
        str,
        typer.Option(
            metavar="WORD[,WORD...]", help="things that may be given up: freeze, dtype, optimizer, batchnorm"
        ),
    ] = "",
    optimizer: Annotated[
        str, typer.Option(metavar="NAME", help="optimizer: AdamW, 'SGD with momentum', SGD")
    ] = "AdamW",
    largest_batch: Annotated[
        bool, typer.Option("--largest-batch", help="also look for the largest batch that fits")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="show all that was run, and what was not")
    ] = False,
    json: Json = None,
    html: Html = None,
) -> None:
    """Say what to freeze, checkpoint or change so that training fits, and what it costs, proved by runs."""
    setting = setting_of(words)
    if limit is not None:
        parse_bytes(limit)  # a mistake is told before torch is imported

    from harness.commands.files import print_report, write_json
    from harness.fitting.door import Wish, plan_step
    from harness.record.store import replace_file
    from harness.report.fit import fit_text

    wish = Wish(limit, allow, optimizer, largest_batch)
    plan = plan_step(target, None, wish, setting, lambda line: typer.echo(line, err=True))
    if json is not None:
        write_json(json, plan.to_json())
    print_report(fit_text(plan.search, verbose=verbose), json)
    if html is not None:
        replace_file(html, plan.to_html().encode())
        typer.echo(f"wrote {html}", err=True)
    if limit is not None and not plan.fits:
        raise typer.Exit(1)


def register(app: typer.Typer, group: str) -> None:
    """Put the command on the command line."""
    app.command(cls=PatternsAfterTrain, rich_help_panel=group)(fit)
