"""`python -m bench.fits`: plan real models, ask other tools, and hold plans against every combination."""

import shlex
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from bench.command import Page, Record, Stored, run_command
from bench.fits.record import Fits, Said, load_fits
from bench.fits.table import fits_markdown
from harness.errors import HarnessError
from harness.record.fit import FitSearch
from harness.record.store import replace_file

MODELS = {"hf:gpt2": 2, "hf:bert-base": 8, "hf:vit-b16": 8, "hf:resnet-50": 8}  # examples a batch
SHARES = (0.75, 0.5, 0.35)


def _say(line: str) -> None:
    typer.echo(line, err=True)


def plans(model: str, batch_size: int, budget: float) -> Iterator[FitSearch]:
    """Yield a search for every share of a model's peak, as soon as each is there."""
    from harness.fitting.door import fit

    untouched = fit(model, batch_size=batch_size, limit="1TiB", budget=0, say=_say).search.untouched.peak or 0
    for share in SHARES:
        yield fit(model, batch_size=batch_size, limit=int(share * untouched), budget=budget, say=_say).search


def others(model: str, batch_size: int) -> list[Said]:
    """Return what other tools say of a model's step."""
    from bench.fits.others import ask_all
    from harness.record.measured import Case
    from harness.workload.sources import build, resolve

    case = Case(question="fit", model=model, batch_size=batch_size, mode="train")
    return ask_all(build(case, 0, resolve(model)), model, batch_size)


def main(  # noqa: PLR0917 (typer makes an option of every argument)
    model: Annotated[
        list[str] | None, typer.Option(help="only this real model; may be given again; 'none' for none")
    ] = None,
    small: Annotated[
        list[str] | None, typer.Option(help="only this small model; may be given again; 'none' for none")
    ] = None,
    budget: Annotated[float, typer.Option(help="seconds of timing a finalist; 0 for bytes alone")] = 2.0,
    rounds: Annotated[
        float,
        typer.Option(help="seconds of rounds in which plans and combinations of a small model are timed"),
    ] = 30.0,
    json: Record = Path("results/records/fits.json"),
    markdown: Page = Path("results/tables/fit.md"),
    from_json: Stored = None,
) -> None:
    """Plan real models for shares of their memory, and hold plans of small ones against every combination."""
    if from_json is None:
        measured(model, small, budget, rounds, json)
    fits = load_fits(from_json or json)
    replace_file(markdown, fits_markdown(fits).encode())
    typer.echo(fits_markdown(fits))


def measured(
    model: list[str] | None, small: list[str] | None, budget: float, rounds: float, json: Path
) -> None:
    """Measure, and keep each model's results as soon as they are there.

    Raises:
        HarnessError: there is no such model.
    """
    import torch

    from bench.fits.exhaustion import ENTRIES, exhausted
    from harness.measure.environment import environment

    real = [name for name in (model or MODELS) if name != "none"]
    little = [name for name in (small or ENTRIES) if name != "none"]
    for name, known in ((real, MODELS), (little, ENTRIES)):
        for one in name:
            if one not in known:
                raise HarnessError(f"no model {one!r} here; there are {', '.join(known)}")
    torch.set_num_threads(1)
    command = shlex.join(["python", "-m", "bench.fits", *sys.argv[1:]])
    fits = load_fits(json) if json.exists() else Fits(environment("cpu"), command)
    # What an earlier command measured stays, and so does the command.
    commands = dict.fromkeys((*fits.command.split("; "), command))
    fits = replace(fits, environment=environment("cpu"), command="; ".join(commands))
    for name in real:
        fits = replace(
            fits,
            searches=tuple(one for one in fits.searches if one.target != name),
            said=(*(one for one in fits.said if one.model != name), *others(name, MODELS[name])),
        )
        for search in plans(name, MODELS[name], budget):
            fits = replace(fits, searches=(*fits.searches, search))
            replace_file(json, msgspec.json.encode(fits))
    for name in little:
        rows = exhausted(name, budget, rounds if budget else 0.0, _say)
        fits = replace(fits, exhausted=(*(one for one in fits.exhausted if one.model != name), *rows))
        replace_file(json, msgspec.json.encode(fits))


if __name__ == "__main__":
    run_command(main, "bench.fits")
