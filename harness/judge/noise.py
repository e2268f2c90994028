"""How noisy times were: the scatter of a round, and what that lets a comparison see."""

import math
import statistics
from collections.abc import Sequence

from harness.judge.contrasts import ratios
from harness.record.names import TIME
from harness.record.schema import Run

_NORMAL = 1.4826  # of a normal distribution: standard deviation over median absolute deviation
_EFFICIENCY = 1.1387  # of a normal distribution: how much wider than that of the mean the interval is
_DEVIATIONS = 2.576  # of a 99 % interval


def round_scatter(log_ratios: Sequence[float]) -> float:
    """Return the robust standard deviation of the log ratios of two equal sides, round by round.

    >>> round(round_scatter([0.01, -0.01, 0.02, -0.02, 0.0]), 4)
    0.0148
    """
    middle = statistics.median(log_ratios)
    return _NORMAL * statistics.median(abs(value - middle) for value in log_ratios)


def smallest_told(deviation: float, rounds: float) -> float:
    """Return the smallest difference that so many rounds show, as a fraction; both sides alike otherwise.

    >>> round(smallest_told(0.1, 100), 3)
    0.029
    """
    return _DEVIATIONS * _EFFICIENCY * deviation / math.sqrt(max(1.0, rounds))


def scatter_of_run(run: Run) -> float | None:
    """Return the median scatter of a round over the A/A controls of a run; None where none was timed."""
    scatters = []
    for record in run.records:
        control = record.arm(record.reference)
        if control is not None and any(samples.metric == TIME and samples.arm for samples in control.timings):
            rounds = [value for layout in ratios(control, TIME) for value in layout]
            if len(rounds) > 1:
                scatters.append(round_scatter(rounds))
    return statistics.median(scatters) if scatters else None
