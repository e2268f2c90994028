"""`harness claims`: statements about gradients, freezing and weight decay, put to the test."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from harness.commands.options import Html, Json


def claims(
    ids: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ID...", help="claims, such as D1 or N5; all by default; one shows its evidence"
        ),
    ] = None,
    seed: Annotated[str, typer.Option(metavar="N", help="seed of everything random")] = "0",
    seeds: Annotated[int, typer.Option(help="seeds of every experiment with data")] = 100,
    budget: Annotated[str, typer.Option(metavar="SECONDS", help="seconds of timing for a pair")] = "0.6",
    results: Annotated[Path, typer.Option(help="folder of claims.md and claims/")] = Path("results"),
    json: Json = None,
    html: Html = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="all conditions and checks, not one screen of them")
    ] = False,
) -> None:
    """Put statements about gradients, freezing and weight decay to the test."""
    from harness.commands.options import setting_of

    setting = setting_of({"budget": budget, "seed": seed})

    from harness.claims.claim import Lab
    from harness.claims.record import encode_claims
    from harness.claims.screen import claims_text
    from harness.claims.session import ClaimsSession
    from harness.commands.files import print_report, write_json
    from harness.record.store import STANDARD_OUTPUT

    lab = Lab(budget=setting.pair_budget, seeds=seeds, seed=setting.seed)
    width = shutil.get_terminal_size().columns
    session = ClaimsSession.plan(ids or (), lab, results, None if json == STANDARD_OUTPUT else json)
    try:
        run = session.measure(
            lambda number, claim: typer.echo(
                f"[{number + 1}/{len(session.claims)}] {claim.id} {claim.statement}", err=True
            )
        )
    except KeyboardInterrupt:
        if session.run is not None:
            print_report(claims_text(session.run, width, verbose=verbose), None)
            typer.echo(f"interrupted: what was measured is in {session.json}", err=True)
        raise typer.Exit(130) from None  # 128 + SIGINT, as shells have it
    print_report(claims_text(run, width, verbose=verbose), json)
    if json == STANDARD_OUTPUT:
        write_json(json, encode_claims(run))
    for path in session.publish(run, html):
        typer.echo(f"written: {path}", err=True)


def register(app: typer.Typer, group: str) -> None:
    """Put the command on the command line."""
    app.command(rich_help_panel=group)(claims)
