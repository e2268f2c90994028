"""Seeding: the same numbers as torch's own, without what it keeps for devices that are not there."""

import random
import traceback
from typing import NoReturn

import numpy as np
import pytest
import torch

from harness.workload.generators import seed_everything

HAS_DEVICE = not hasattr(torch, "accelerator") or torch.accelerator.is_available()


def drawn() -> tuple[float, float, float]:
    return torch.rand(()).item(), random.random(), float(np.random.random())  # noqa: NPY002 (what is seeded)


def test_the_numbers_after_a_seed_are_those_of_each_librarys_own_seeding() -> None:
    torch.manual_seed(7)
    random.seed(7)
    np.random.seed(7)  # noqa: NPY002 (likewise)
    own = drawn()

    seed_everything(7)
    assert drawn() == own
    seed_everything(8)
    assert drawn() != own


@pytest.mark.skipif(HAS_DEVICE, reason="torch has a device here, or is too old to tell")
def test_no_traceback_is_formatted_where_there_is_no_device(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> NoReturn:
        raise AssertionError("a traceback is formatted")

    monkeypatch.setattr(traceback, "format_stack", refuse)
    seed_everything(7)


@pytest.mark.skipif(HAS_DEVICE, reason="torch has a device here, or is too old to tell")
def test_where_there_may_be_a_device_it_is_seeded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int] = []
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch, "manual_seed", seeds.append)
    seed_everything(7)

    assert seeds == [7]
