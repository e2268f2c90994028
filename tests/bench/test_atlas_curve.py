"""The freezing curve of an architecture: bytes of a pass with the first blocks frozen."""

from collections.abc import Mapping

import pytest
import torch
from torch import nn

from bench.atlas import curve as module_of_curve
from bench.atlas.candidates import Candidate, Running
from bench.atlas.curve import curve
from bench.atlas.reading import freezing
from harness.workload.model import WorkloadError


def running(module: nn.Module, refused: Mapping[str, str] | None = None) -> Running:
    candidate = Candidate("Net", "small", lambda: module, lambda _module: iter(()))
    return Running(candidate, module, {"input": torch.ones(4, 8)}, refused or {})


def blocks(count: int) -> nn.Module:
    return nn.Sequential(*(nn.Sequential(nn.Linear(8, 8), nn.Tanh()) for _ in range(count)))


def test_each_block_that_is_frozen_saves_what_it_kept_and_the_module_stays_as_it_was() -> None:
    module = blocks(3)
    taken = curve(running(module))

    # Of 4 x 8 floats each: what blocks 0 and 1 return is kept by the next one, whose weights train, also
    # where block 0 is frozen; what block 2 returns is the output, which is there without a graph too.
    assert taken == (256, 256, 128, 0)
    assert all(parameter.requires_grad for parameter in module.parameters())
    assert module.training


def test_what_has_no_row_of_blocks_or_too_many_is_refused() -> None:
    with pytest.raises(WorkloadError, match="no row of blocks"):
        curve(running(nn.Linear(8, 2)))
    with pytest.raises(WorkloadError, match="has 17 blocks, and 16 are the most here"):
        curve(running(blocks(17)))


def test_a_curve_whose_time_is_up_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module_of_curve, "_MOST_SECONDS", -1.0)

    with pytest.raises(WorkloadError, match="its curve would take longer than -1 s"):
        curve(running(blocks(2)))


def test_a_reason_stands_for_a_curve_that_there_is_not() -> None:
    assert freezing(running(nn.Linear(8, 2)))[1].startswith("WorkloadError: the model has no row of blocks")
    assert freezing(running(blocks(2), {"train": "no"})) == ((), "does not run in train mode")
    assert freezing(running(blocks(2))) == ((128, 128, 0), "")
