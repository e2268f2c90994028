"""`harness duel`: two interpreters or two commits against each other."""

import enum
import shutil
from pathlib import Path
from typing import Annotated

import typer

from harness.commands.options import Html, Json, Markdown, Questions, Strict, Words, setting_of, with_setting


class Start(enum.StrEnum):
    """How a restart of a duel comes to be."""

    SPAWN = "spawn"
    FORK = "fork"


@with_setting("duel")
def duel(
    words: Words,
    base: Annotated[str, typer.Argument(metavar="BASE", help="interpreter, git revision, REV@PYTHON, or .")],
    head: Annotated[
        str, typer.Argument(metavar="HEAD", help="interpreter, revision or . that is held against it")
    ],
    targets: Annotated[
        list[str] | None,
        typer.Argument(metavar="TARGET...", help="models, as in measure; all built-in ones by default"),
    ] = None,
    question: Questions = None,
    restarts: Annotated[
        int, typer.Option(help="restarts of both sides; 0 for as many as the number of contrasts needs")
    ] = 0,
    floor: Annotated[float, typer.Option(help="relative difference that counts as equal")] = 0.005,
    pin: Annotated[bool, typer.Option(help="run both sides on one core, where one thread runs")] = True,
    start: Annotated[
        Start, typer.Option(help="spawn imports torch in every restart; fork copies a process that has")
    ] = Start.SPAWN,
    tox: Annotated[
        Path | None, typer.Option(metavar="DIR", help="take the sides as tox environments in this folder")
    ] = None,
    json: Json = None,
    html: Html = None,
    markdown: Markdown = None,
    strict: Strict = False,
) -> None:
    """Measure the same cases in two interpreters, or at two commits, against each other."""
    from harness.duel.session import DuelRules, Judged, hold_duel, tox_python
    from harness.report.duel_watch import DuelWatch

    setting = setting_of(words)
    rules = DuelRules(
        questions=tuple(question or ("grad_mode",)),
        restarts=restarts,
        floor=floor,
        pin=pin,
        start=start.value,
    )
    if tox is not None:
        base, head = (tox_python(tox, name) for name in (base, head))
    from harness.commands.files import print_report, write_json

    watch = DuelWatch()
    with watch.bar:
        held = hold_duel(base, head, targets or (), watch, rules=rules, setting=setting)
    judged = Judged.of(held)
    print_report(judged.text(min(shutil.get_terminal_size().columns, 120)), json)
    if json is not None:
        write_json(json, judged.to_json())
    for path in judged.write(html=html, markdown=markdown):
        typer.echo(f"written: {path}", err=True)
    if judged.outcome.fails:
        raise typer.Exit(1)
    if strict and judged.outcome.undecided:
        raise typer.Exit(3)


def register(app: typer.Typer, group: str) -> None:
    """Put the command on the command line."""
    app.command(rich_help_panel=group)(duel)
