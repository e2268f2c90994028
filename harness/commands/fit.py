"""`harness fit`: what to change so that a training step fits."""

from pathlib import Path
from typing import Annotated

import typer


def fit(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="a built-in name, hf:NAME, timm:NAME, torchvision:NAME, or package.module:factory",
        ),
    ],
    limit: Annotated[
        str | None,
        typer.Option("--in", metavar="SIZE", help="such as 8GiB or 500MB; without it the whole frontier"),
    ] = None,
    allow: Annotated[
        str,
        typer.Option(
            metavar="WORD[,WORD...]", help="what may be given up: freeze, dtype, optimizer, batchnorm"
        ),
    ] = "",
    optimizer: Annotated[str, typer.Option(help="AdamW, 'SGD with momentum', SGD")] = "AdamW",
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1")] = "cpu",
    dtype: Annotated[str, typer.Option(help="float32, bfloat16, ..., or autocast")] = "float32",
    batch_size: Annotated[int, typer.Option(help="examples a batch; 0 for the model's own")] = 0,
    loss: Annotated[
        str, typer.Option(help="mean_square, sum, cross_entropy, own, or package.module:function")
    ] = "",
    budget: Annotated[
        float, typer.Option(help="seconds of timing for a finalist and the untouched step; 0 for bytes alone")
    ] = 2.0,
    threads: Annotated[int, typer.Option(help="intra-op threads; 0 for torch's own choice")] = 1,
    seed: Annotated[int, typer.Option(help="of weights, inputs and order")] = 0,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="all that was run and left out")] = False,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="keep everything in this file")] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="write the page")] = None,
) -> None:
    """Say what to freeze, checkpoint or change so that training fits, and what it costs, proved by runs."""
    from harness.amounts import parse_bytes
    from harness.errors import HarnessError
    from harness.record.store import replace_file
    from harness.report.fit import fit_text

    if limit is not None:
        parse_bytes(limit)  # a mistake is told before torch is imported
    if threads < 0:
        raise HarnessError(f"{threads} threads cannot run; give 0 (torch's own choice) or more")
    import torch

    from harness.fitting.door import fit as search

    if threads:
        torch.set_num_threads(threads)
    plan = search(
        target,
        limit=limit,
        allow=allow,
        optimizer=optimizer,
        device=device,
        dtype=dtype,
        batch_size=batch_size,
        loss=loss,
        budget=budget,
        seed=seed,
        say=lambda line: typer.echo(line, err=True),
    )
    typer.echo(fit_text(plan.found, verbose=verbose))
    for path, text in ((json, plan.to_json), (html, plan.to_html)):
        if path is not None:
            replace_file(path, text().encode())
            typer.echo(f"written: {path}", err=True)
    if limit is not None and not plan.fits:
        raise typer.Exit(1)
