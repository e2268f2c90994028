"""`python -m bench.passes`: `harness measure` on real models, in plain training steps of theirs."""

import os
import resource
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from bench.command import run_command
from bench.passes.plain import one_thread, plain_steps
from bench.passes.record import Passes, Timed, load_passes
from bench.passes.table import passes_markdown
from harness.errors import HarnessError
from harness.record.schema import Run
from harness.record.store import load_run, replace_file

MODELS = ("hf:gpt2", "hf:bert-base", "hf:vit-b16", "hf:resnet-50", "mlp-relu")
_FIRST = "What does recording the graph cost a forward pass?"  # the first table begins with it
_KIB = 1024  # ru_maxrss counts these, on Linux


@dataclass(frozen=True, slots=True)
class _Command:
    """One run of `harness measure`: seconds until its first table and in all, what it used, what it wrote."""

    first: float
    whole: float
    used: resource.struct_rusage
    run: Run


def _measured(model: str, *options: str) -> _Command:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "run.json"
        words = [sys.executable, "-m", "harness", "measure", model, *options, "--json", str(file)]
        began = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603 (this interpreter)
            words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=one_thread()
        )
        first = 0.0
        for line in process.stdout or ():
            if not first and line.startswith(_FIRST):
                first = time.perf_counter() - began
        _, status, used = os.wait4(process.pid, 0)
        whole = time.perf_counter() - began
        if status:
            raise HarnessError(
                f"{shlex.join(words)} failed: {(process.stderr and process.stderr.read()) or ''}"
            )
        return _Command(first, whole, used, load_run(file))


def timed(model: str, steps: int) -> Timed:
    """Run the plain loop, the command for bytes alone, the command by default, and the plain loop again.

    Raises:
        HarnessError: one of them failed.
    """
    before = plain_steps(model, steps)
    exact, default = _measured(model, "--time", "0"), _measured(model)
    after = plain_steps(model, steps)
    arms = [arm for record in default.run.records for arm in record.arms]
    return Timed(
        model=model,
        batch_size=exact.run.records[0].case.batch_size,
        step=statistics.median((*before["wall"], *after["wall"])),
        step_cpu=statistics.median((*before["cpu"], *after["cpu"])),
        plain_peak=max(int(each["peak"]) for each in (before, after)),  # type: ignore[call-overload]
        first_table=exact.first,
        whole=exact.whole,
        whole_cpu=exact.used.ru_utime + exact.used.ru_stime,
        calls=exact.run.calls_s,
        peak=exact.used.ru_maxrss * _KIB,
        arms=sum(len(record.arms) for record in exact.run.records),
        default=default.whole,
        default_calls=default.run.calls_s,
        default_arms=len(arms),
        default_timed=sum(bool(arm.timings) for arm in arms),
    )


def main(
    model: Annotated[list[str] | None, typer.Option(help="only this model; may be given again")] = None,
    steps: Annotated[int, typer.Option(help="plain steps, before the command and after it")] = 3,
    json: Annotated[Path, typer.Option(help="keep everything in this file, beside what it holds")] = Path(
        "results/records/passes.json"
    ),
    markdown: Annotated[Path, typer.Option(help="write the table to this file")] = Path(
        "results/tables/passes.md"
    ),
    from_json: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="measure nothing; write this file's table")
    ] = None,
) -> None:
    """Time exact numbers of real models against plain training steps of them."""
    if from_json is None:
        import torch

        from harness.measure.environment import environment

        torch.set_num_threads(1)
        command = shlex.join(["python", "-m", "bench.passes", *sys.argv[1:]])
        passes = load_passes(json) if json.exists() else Passes(environment("cpu"), command)
        passes = replace(passes, environment=environment("cpu"), command=command)
        for name in model or MODELS:
            one = timed(name, steps)
            kept = tuple(each for each in passes.timed if each.model != name)
            passes = replace(passes, timed=(*kept, one))
            replace_file(json, msgspec.json.encode(passes))
    passes = load_passes(from_json or json)
    replace_file(markdown, passes_markdown(passes).encode())
    typer.echo(passes_markdown(passes))


if __name__ == "__main__":
    run_command(main, "bench.passes")
