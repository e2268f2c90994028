"""Work of a wanted length, and real extra work that is planted in it."""

import itertools
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import torch
from torch import nn

from harness.measure.clock import Clock, clock_for
from harness.measure.devices.registry import device_of
from harness.measure.sampling import Side, calls_a_sample, sample
from harness.workload.copied import CopiedModel
from harness.workload.model import Model

_WIDTH = 128
_LARGEST_BATCH = 1 << 20
_SPINS_TIMED = 20_000  # as long as a sample
_LEAST_SPINS = 64  # the first ones take longer than the rest, with the loop's code not at hand
_LEAST_COUNT = 1024
_TIMES = 25


def build_work(seconds: float, seed: int, device: str = "cpu") -> Model:
    """Build a perceptron whose forward pass takes about so long here."""
    clock = clock_for(device)
    torch.manual_seed(seed)
    layers = 1 + int(min(seconds, 1e-4) / 2.5e-5)  # an operator costs some microseconds however small it is
    module = nn.Sequential(
        *(layer for _ in range(layers) for layer in (nn.Linear(_WIDTH, _WIDTH), nn.ReLU()))
    ).to(device)
    batch = 1
    while True:
        model = Model(module, (torch.randn(batch, _WIDTH, device=device),))
        took = typical_seconds(model, clock)
        if took >= seconds or batch > _LARGEST_BATCH:
            return model
        # Towards the goal, but never more than doubled: small batches cost mostly their operators.
        batch = max(batch + 1, min(2 * batch, int(batch * seconds / took)))


def typical_seconds(call: Callable[[], object], clock: Clock = time.perf_counter, times: int = 9) -> float:
    """Return the median seconds of a call."""
    side = Side((("call", call),))
    return statistics.median(sample(side, 1, clock)[0] for _ in range(times))


def spin(count: int) -> None:
    """Do extra work of a known amount: count to a number."""
    for _ in itertools.repeat(None, count):
        pass


@dataclass(frozen=True, slots=True)
class Extra:
    """Work that is planted, in counts."""

    run: Callable[[int], object]
    seconds: Callable[[], float]  # a count, read anew
    least: int  # both sides count so far, so that both do the same number of things

    def counts_in(self, work: Callable[[], object], clock: Clock) -> float:
        """Return what to count to for as long as the work takes.

        Both are read in turns, and the median counts of what one took over what the other took: a count runs
        at one of two speeds for a while, and the fastest readings would all be of the faster.
        """
        calls = calls_a_sample(typical_seconds(work, clock))
        side = Side((("work", work),))
        return statistics.median(sample(side, calls, clock)[0] / self.seconds() for _ in range(_TIMES))


def extra_work(device: str) -> Extra:
    """Return work of a known amount for a device; the host's would hide behind the queue of another."""
    queue = device_of(device)
    if queue is None:
        return Extra(spin, _seconds_a_spin, _LEAST_SPINS)
    return Extra(queue.count, lambda: queue.seconds_a_count, _LEAST_COUNT)


def _seconds_a_spin() -> float:
    return typical_seconds(lambda: spin(_SPINS_TIMED), times=1) / _SPINS_TIMED


@dataclass(frozen=True, slots=True)
class Planted:
    """A forward pass with a count after it; both sides have one, so that only its length differs."""

    model: Model | CopiedModel
    extra: Extra
    count: int = 0

    def __call__(self) -> object:
        """Run the forward pass, then count."""
        output = self.model()
        self.extra.run(self.extra.least + self.count)
        return output

    def relocate(self, rng: Random) -> object:
        """Move what the model reads."""
        return self.model.relocate(rng)
