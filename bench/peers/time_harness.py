"""The harness itself: `compare`, on one object and on two copies."""

import copy
import math
from collections.abc import Callable

from bench.peers.record import COPIES, HARNESS, OBJECT
from bench.peers.tool import PeerError, StatisticOutcome, TimingPeer
from bench.peers.work import forward
from harness.api import CONTROL_SHARE, compare
from harness.judge.verdict import ALPHA, FLOOR, LAYOUT_FLOOR, Verdict


def _rule(floor: float) -> str:
    return f"verdict better or worse: {100 * (1 - ALPHA):g} % interval of the median, floor {100 * floor:g} %"


def _outcome(
    reference: Callable[[], object], arm: Callable[[], object], seconds: float, seed: int
) -> StatisticOutcome:
    # `compare` times its A/A control on top of its budget; here the control counts.
    comparison = compare(reference, arm, budget=seconds / (1 + CONTROL_SHARE), seed=seed)
    if comparison.ratio is None or comparison.samples is None:
        raise PeerError(comparison.reason)
    alarm = comparison.verdict in (Verdict.BETTER, Verdict.WORSE)
    return StatisticOutcome(math.log(comparison.ratio), alarm, comparison.samples.measured_s)


def _one_object(seconds: float, seed: int) -> tuple[StatisticOutcome, ...]:
    call = forward().__call__
    return (_outcome(call, call, seconds, seed),)


def _copies(seconds: float, seed: int) -> tuple[StatisticOutcome, ...]:
    model = forward()
    return (_outcome(copy.deepcopy(model), copy.deepcopy(model), seconds, seed),)


PEERS = (
    TimingPeer(HARNESS, "autograd-harness", OBJECT, (("median", _rule(FLOOR)),), 36, _one_object),
    TimingPeer(HARNESS, "autograd-harness", COPIES, (("median", _rule(LAYOUT_FLOOR)),), 36, _copies),
)
