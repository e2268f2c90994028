"""Every combination of levers on a small model, run, so that a plan can be held against the best of them."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import torch
from torch import nn

from harness.fitting.workbench import Workbench
from harness.record.fit import FitCandidate
from harness.record.measured import Case
from harness.workload.model import Model, WorkloadError
from harness.workload.models import Entry
from harness.workload.sources import resolve


def mlp(batch_size: int) -> Model:
    """Build a perceptron of 8 blocks, width 64."""
    blocks = [nn.Sequential(nn.Linear(64, 64), nn.GELU()) for _ in range(8)]
    return Model(nn.Sequential(*blocks, nn.Linear(64, 10)), (torch.randn(batch_size, 64),))


ENTRIES: dict[str, Entry] = {
    "transformer": resolve("transformer"),
    "mlp-8": Entry("mlp-8", mlp, 64),
    "hf:vit-tiny": Entry("hf:vit-tiny", lambda batch: resolve("hf:vit-tiny").build(batch), 4),
    "hf:gpt2-tiny": Entry("hf:gpt2-tiny", lambda batch: resolve("hf:gpt2-tiny").build(batch), 4),
}


def bench_of(entry: Entry) -> Workbench:
    """Return the bench of a small model."""
    case = Case(question="fit", model=entry.name, batch_size=entry.batch_size, mode="train")
    return Workbench(entry, case, "AdamW")


def combinations(blocks: int, parts: tuple[int, ...] = (1, 2, 4)) -> Iterator[FitCandidate]:
    """Yield depth x first m or every n-th block x micro-batches x implementation."""
    for depth in range(blocks + 1):
        left = range(depth, blocks)
        counted = [tuple(left[:size]) for size in range(len(left) + 1)]
        every = [tuple(left[::size]) for size in range(2, len(left) + 1)]
        for chosen, number, update in product(
            dict.fromkeys(counted + every), parts, ("", "foreach", "fused", "in backward")
        ):
            if number == 1 or update != "in backward":
                yield FitCandidate(frozen=depth, checkpointed=chosen, micro_batches=number, update=update)


def run_all(bench: Workbench, *, depths: tuple[int, ...] | None = None) -> dict[FitCandidate, int]:
    """Return the measured peak of every combination that can be run, in bytes."""
    peaks = {}
    for number in (2, 4):
        bench.check_split(number)
    for candidate in combinations(len(bench.names.paths)):
        if depths is not None and candidate.frozen not in depths:
            continue
        try:
            peaks[candidate] = bench.observe(replace(candidate))
        except WorkloadError:
            continue  # nothing is left to train
    return peaks
