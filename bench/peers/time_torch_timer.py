"""torch.utils.benchmark: a Timer a side in one process, `blocked_autorange`, and its table's colours."""

import copy
import math

from torch.utils.benchmark import Compare, Measurement, Timer

from bench.peers.record import COPIES, OBJECT
from bench.peers.tool import StatisticOutcome, TimingPeer
from bench.peers.work import forward
from harness.workload.model import Model

_RULE = "Compare does not colour both as best: medians over 1 % and 100 ns apart"
_BEST = "\033[92m"  # the colour that Compare gives to the best cell of a row, and to those as good


def _time(model: Model, side: str, seconds: float) -> Measurement:
    timer = Timer("model()", globals={"model": model}, num_threads=1, label="forward", description=side)
    return timer.blocked_autorange(min_run_time=seconds)


def _outcome(reference: Model, arm: Model, seconds: float) -> StatisticOutcome:
    sides = [_time(reference, "reference", seconds / 2), _time(arm, "arm", seconds / 2)]
    table = Compare(sides)
    table.colorize(rowwise=True)
    return StatisticOutcome(
        math.log(sides[1].median / sides[0].median),
        tells_apart(str(table)),
        sum(sum(side.raw_times) for side in sides),
    )


def tells_apart(table: str) -> bool:
    """Whether a coloured table of one row with two cells leaves one of them out of the best."""
    return table.count(_BEST) < 2  # noqa: PLR2004 (two cells)


def _one_object(seconds: float, _seed: int) -> tuple[StatisticOutcome, ...]:
    model = forward()
    return (_outcome(model, model, seconds),)


def _copies(seconds: float, _seed: int) -> tuple[StatisticOutcome, ...]:
    model = forward()
    return (_outcome(copy.deepcopy(model), copy.deepcopy(model), seconds),)


PEERS = (
    TimingPeer("torch.utils.benchmark", "torch", OBJECT, (("median", _RULE),), 30, _one_object),
    TimingPeer("torch.utils.benchmark", "torch", COPIES, (("median", _RULE),), 30, _copies),
)
