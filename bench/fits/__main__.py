"""`python -m bench.fits`: plan real models, ask other tools, and hold plans against every combination."""

import shlex
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from bench.command import Page, Record, Stored, run_command
from bench.fits.record import Fits, Said, load_fits
from bench.fits.table import fits_markdown
from bench.passes.plain import plain_steps
from harness.errors import HarnessError
from harness.record.fit import FitSearch
from harness.record.store import replace_file

MODELS = {"hf:gpt2": 2, "hf:bert-base": 8, "hf:vit-b16": 8, "hf:resnet-50": 8}  # examples a batch
SHARES = ("0.75", "0.5", "0.35")  # of the untouched peak
_PLAIN_STEPS = 3  # before the searches of a model, and after them


def _say(line: str) -> None:
    typer.echo(line, err=True)


def plan(model: str, batch_size: int, limit: int, budget: float) -> FitSearch:
    """Return the search for a step of a real model that fits a limit in bytes."""
    from harness.fitting.door import fit

    return fit(model, batch_size=batch_size, limit=limit, budget=budget, say=_say).search


def untouched_peak(model: str, batch_size: int) -> int:
    """Return the peak of a real model's step as it is, in bytes."""
    from bench.fits.exhaustion import bench_of
    from harness.record.fit import FitCandidate
    from harness.workload.sources import resolve

    _say(f"{model} as it is")
    return bench_of(replace(resolve(model), batch_size=batch_size)).observe(FitCandidate())


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
    share: Annotated[
        list[str] | None,
        typer.Option(help="only this share of a peak, such as 0.5; may be given again; 'none' for none"),
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
        shares = chosen(share, SHARES, "share")
        measured(dict.fromkeys(chosen(model, MODELS, "model"), shares), small, budget, rounds, json)
    fits = load_fits(from_json or json)
    replace_file(markdown, fits_markdown(fits).encode())
    typer.echo(fits_markdown(fits))


def chosen(names: list[str] | None, known: Iterable[str], what: str) -> tuple[str, ...]:
    """Return what was asked for by name: all unless told, nothing for 'none'.

    Raises:
        HarnessError: there is no such name.

    >>> chosen(None, ("a", "b"), "model"), chosen(["none"], ("a", "b"), "model")
    (('a', 'b'), ())
    """
    wanted = tuple(name for name in (names or known) if name != "none")
    for name in wanted:
        if name not in known:
            raise HarnessError(f"no {what} {name!r} here; there are {', '.join(known)}")
    return wanted


def without_files(arguments: Sequence[str]) -> list[str]:
    """Return arguments without where the results go, which is no part of what was measured.

    >>> without_files(["--model", "hf:gpt2", "--json", "a.json", "--markdown=a.md", "--budget", "0"])
    ['--model', 'hf:gpt2', '--budget', '0']
    """
    files = ("--json", "--markdown")
    return [
        word
        for before, word in zip(("", *arguments), arguments, strict=False)
        if before not in files and word.partition("=")[0] not in files
    ]


def measured(
    real: Mapping[str, Sequence[str]], small: list[str] | None, budget: float, rounds: float, json: Path
) -> None:
    """Measure, and keep each result as soon as it is there.

    Args:
        real: by model, the shares of its peak to plan for.
        small: names of small models.
        budget: seconds of timing a finalist.
        rounds: seconds of rounds with plans and combinations.
        json: the record; what it holds of other models and shares stays.
    """
    import torch

    from bench.fits.exhaustion import ENTRIES, exhausted
    from harness.measure.environment import environment

    little = chosen(small, ENTRIES, "model")
    torch.set_num_threads(1)
    command = shlex.join(["python", "-m", "bench.fits", *without_files(sys.argv[1:])])
    fits = load_fits(json) if json.exists() else Fits(environment("cpu"), command)
    # What an earlier command measured stays, and so does the command.
    commands = dict.fromkeys((*fits.command.split("; "), command))
    fits = replace(fits, environment=environment("cpu"), command="; ".join(commands))
    for name, shares in real.items():
        steps = plain_steps(name, _PLAIN_STEPS, MODELS[name])["wall"]
        peak = untouched_peak(name, MODELS[name])
        fits = fits.with_peak(name, peak).with_said(name, others(name, MODELS[name]))
        fits = fits.with_step(name, statistics.median(steps))
        replace_file(json, msgspec.json.encode(fits))
        for share in shares:
            fits = fits.with_search(plan(name, MODELS[name], int(float(share) * peak), budget))
            replace_file(json, msgspec.json.encode(fits))
        if shares:
            steps += plain_steps(name, _PLAIN_STEPS, MODELS[name])["wall"]
            fits = fits.with_step(name, statistics.median(steps))
            replace_file(json, msgspec.json.encode(fits))
    for name in little:
        rows = exhausted(name, budget, rounds if budget else 0.0, _say)
        fits = replace(fits, exhausted=(*(one for one in fits.exhausted if one.model != name), *rows))
        replace_file(json, msgspec.json.encode(fits))


if __name__ == "__main__":
    run_command(main, "bench.fits")
