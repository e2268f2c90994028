"""`harness doctor`: what makes times of this machine noisy, and what can be told of it now."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from harness.commands.options import Json

if TYPE_CHECKING:
    from harness.measure.machine import Machine


def doctor(
    threads: Annotated[
        str, typer.Option(metavar="N", help="intra-op threads of torch; 0 leaves its own choice")
    ] = "1",
    json: Json = None,
) -> None:
    """Say how noisy times are here now, what makes them so, and what would help."""
    from harness.commands.files import print_report, write_json
    from harness.commands.options import setting_of

    setting = setting_of({"threads": threads})

    import torch

    from harness.measure.machine import examine

    if setting.threads:
        torch.set_num_threads(setting.threads)
    machine = examine(_layers)
    print_report(machine_text(machine), json)
    if json is not None:
        write_json(json, machine)


def _layers(call_s: float) -> Callable[[], object]:
    """Return a call of small layers that takes about so many seconds."""
    import time

    import torch
    from torch import nn

    layer, rows = nn.Sequential(nn.Linear(112, 112), nn.Tanh()), torch.ones(24, 112)

    def run(count: int) -> None:
        with torch.no_grad():
            for _ in range(count):
                layer(rows)

    run(100)
    start = time.perf_counter()
    run(100)
    count = max(1, round(100 * call_s / (time.perf_counter() - start)))
    return lambda: run(count)


_REMEDY_WIDTH = 24  # characters


def machine_text(machine: "Machine") -> str:
    """Return the answer first, then what the system tells."""
    from harness.report.text import text_table
    from harness.report.units import quantity

    worst = max(machine.resolutions, key=lambda each: each.in_a_second)
    rows = [
        (quantity(each.call_s, "s"), _percent(each.scatter), _percent(each.in_a_second))
        for each in machine.resolutions
    ]
    causes = [(cause.name, cause.state, cause.remedy) for cause in machine.causes]
    return "\n".join(
        [
            (
                f"One second of timing tells differences above {_percent(worst.in_a_second)} here now,"
                f" in calls of {quantity(worst.call_s, 's')}."
            ),
            "",
            text_table(("a call of", "a round scatters by", "a second tells, above"), rows),
            "",
            text_table(("", "now", "what would help"), causes, widths=(None, None, _REMEDY_WIDTH)),
        ]
    )


def _percent(share: float) -> str:
    from harness.report.units import two_digits

    return f"{two_digits(100 * share)} %"


def register(app: typer.Typer, group: str) -> None:
    """Put the command on the command line."""
    app.command(rich_help_panel=group)(doctor)
