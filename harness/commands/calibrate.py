"""`harness calibrate`: what this machine can resolve."""

from pathlib import Path
from typing import Annotated

import typer

from harness.commands.options import Json, Markdown


def calibrate(
    seconds: Annotated[float, typer.Option(help="seconds to spend in all, about")] = 120.0,
    budget: Annotated[
        str, typer.Option(metavar="SECONDS", help="seconds a comparison, both sides together")
    ] = "0.25",
    load: Annotated[int, typer.Option(help="bursty processes to run beside it")] = 0,
    calls: Annotated[str, typer.Option(help="lengths of the calls, in microseconds")] = "20,200,2000,20000",
    planted: Annotated[str, typer.Option(help="slowdowns to plant, in percent; 0 is A/A")] = "0,1",
    kinds: Annotated[
        str,
        typer.Option(
            help="kinds: object, one object on both sides; copies, two models built alike; block, seven"
        ),
    ] = "object,copies",
    trials: Annotated[int, typer.Option(help="comparisons of each; by default what the seconds allow")] = 0,
    cells: Annotated[
        str,
        typer.Option(
            metavar="KIND:US:PERCENT:TRIALS,...", help="cells in place of the above, such as copies:70:0:200"
        ),
    ] = "",
    device: Annotated[str, typer.Option(help="device: cpu, cuda, cuda:1")] = "cpu",
    threads: Annotated[
        str, typer.Option(metavar="N", help="intra-op threads of torch; 0 leaves its own choice")
    ] = "1",
    json: Json = None,
    markdown: Markdown = None,
    plot: Annotated[Path | None, typer.Option(help="write the plot of power to this SVG file")] = None,
) -> None:
    """Say what this machine can resolve: false alarms, bias, and the smallest slowdown found."""
    import shlex
    import sys

    import msgspec

    from harness.commands.options import setting_of

    setting = setting_of({"device": device, "budget": budget, "threads": threads})
    import torch

    from harness.calibration.plan import parse_plan
    from harness.calibration.record import Calibration, read_calibration
    from harness.calibration.report import calibration_markdown, calibration_text, power_plot
    from harness.calibration.run import calibrate as run_calibration
    from harness.commands.files import print_report, write_json
    from harness.record.store import STANDARD_OUTPUT, replace_file
    from harness.report.progress import progress

    plan = parse_plan(
        calls,
        planted,
        kinds,
        trials=trials,
        seconds=seconds,
        budget=setting.pair_budget,
        load=load,
        cells=cells,
        device=setting.device,
    )
    if setting.threads:
        torch.set_num_threads(setting.threads)
    file = None if json == STANDARD_OUTPUT else json
    earlier = read_calibration(file) if file and file.exists() else None

    def keep(calibration: Calibration) -> None:
        if file:
            replace_file(file, msgspec.json.encode(calibration))

    command = shlex.join(["harness", *sys.argv[1:]])
    with progress("comparisons", plan.trials) as step:
        calibration = run_calibration(plan, step, earlier, keep, command)
    keep(calibration)
    print_report(calibration_text(calibration), json)
    if json == STANDARD_OUTPUT:
        write_json(json, calibration)
    if markdown:
        replace_file(markdown, calibration_markdown(calibration).encode())
    if plot:
        replace_file(plot, power_plot(calibration).encode())


def register(app: typer.Typer, group: str) -> None:
    """Put the command on the command line."""
    app.command(rich_help_panel=group)(calibrate)
