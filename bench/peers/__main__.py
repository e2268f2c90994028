"""`python -m bench.peers`: run the comparison, keep it as JSON, and write its tables from that JSON."""

import math
import shlex
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from bench.command import Page, Record, Stored, run_command
from bench.peers.record import MemoryRow, PeerComparison, TimingRow, load_comparison
from bench.peers.table import peers_markdown, peers_text
from harness.errors import HarnessError
from harness.record.store import replace_file
from harness.report.progress import progress

_BATCH_SIZES = (8, 8192)  # the work of the timing, and one whose peak is 48 MiB


class UsageError(HarnessError, ValueError):
    """A command that cannot be followed, and what would have worked."""


def measured(
    seconds: float, trials: int, readings: int, only: list[str], *, time: bool, memory: bool
) -> PeerComparison:
    """Run the tools that are asked for.

    Raises:
        UsageError: a number is out of range, or no tool has a name.
    """
    from bench.peers.measuring import read_peers, time_peers
    from bench.peers.registry import MEMORY, TIMING
    from bench.peers.work import BATCH_SIZE, work_words
    from harness.measure.environment import environment

    if not 0 < seconds < math.inf:
        raise UsageError(f"--seconds is {seconds}; give a number of seconds above 0")
    if trials < 0 or readings < 1:
        raise UsageError("give 0 or more --repeats and 1 or more --readings")
    names = list(dict.fromkeys([*(peer.tool for peer in TIMING), *(peer.tool for peer in MEMORY)]))
    unknown = [name for name in only if name not in names]
    if unknown:
        raise UsageError(f"no tool {unknown[0]!r}; there are {', '.join(names)}")
    both = time == memory
    timing = [peer for peer in TIMING if (time or both) and (not only or peer.tool in only)]
    reading = [peer for peer in MEMORY if (memory or both) and (not only or peer.tool in only)]
    if not timing and not reading:
        raise UsageError("nothing is left to measure: none of these tools does what is asked for")
    import torch

    torch.set_num_threads(1)
    where = environment("cpu")
    rows: tuple[TimingRow, ...] = ()
    read: tuple[MemoryRow, ...] = ()
    if timing:
        with progress("comparisons", sum(trials or peer.trials for peer in timing)) as step:
            rows = time_peers(timing, seconds, trials, step)
    if reading:
        with progress("readings", len(reading) * len(_BATCH_SIZES)) as step:
            read = read_peers(reading, _BATCH_SIZES, readings, step)
    return PeerComparison(
        environment=where,
        command=shlex.join(["python", "-m", "bench.peers", *sys.argv[1:]]),
        seconds=seconds,
        work=work_words(),
        batch_size=BATCH_SIZE,
        timing=rows,
        memory=read,
    )


def main(  # noqa: PLR0917 (typer makes an option of every argument)
    seconds: Annotated[
        float, typer.Option(help="seconds of timing for a comparison, both sides together")
    ] = 1.0,
    repeats: Annotated[
        int, typer.Option(help="comparisons of each tool; by default fewer for tools that start processes")
    ] = 0,
    readings: Annotated[int, typer.Option(help="readings of memory by each tool at each size")] = 5,
    only: Annotated[
        list[str] | None, typer.Option(metavar="TOOL", help="only this tool; may be given several times")
    ] = None,
    time: Annotated[bool, typer.Option("--time", help="only time")] = False,  # noqa: FBT002 (a flag)
    memory: Annotated[bool, typer.Option("--memory", help="only memory")] = False,  # noqa: FBT002 (a flag)
    json: Record = Path("results/records/peers.json"),
    markdown: Page = Path("results/tables/peers.md"),
    from_json: Stored = None,
) -> None:
    """Compare the harness with other tools on the same work: what they resolve, and what they read."""
    if from_json is None:
        comparison = measured(seconds, repeats, readings, only or [], time=time, memory=memory)
        replace_file(json, msgspec.json.encode(comparison))
        typer.echo(f"wrote {json}", err=True)
    comparison = load_comparison(from_json or json)
    replace_file(markdown, peers_markdown(comparison).encode())
    typer.echo(peers_text(comparison))
    typer.echo(f"measured by {comparison.command}; wrote {markdown}", err=True)


if __name__ == "__main__":
    run_command(main, "bench.peers")
