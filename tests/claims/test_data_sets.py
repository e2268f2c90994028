"""The data sets on which remedies are tried."""

import importlib.util

import pytest
import torch

from harness.claims.claim import Lab
from harness.claims.conclude import conclude
from harness.claims.data_sets import DATA_SETS, DataSet
from harness.claims.regression import linear_data
from harness.claims.remedies import augmentation

pytestmark = pytest.mark.process


@pytest.mark.parametrize("data", DATA_SETS, ids=lambda data: data.name)
def test_more_examples_begin_with_the_same_and_have_the_same_test_set(data: DataSet) -> None:
    few, many = data.draw(3, 0, 40), data.draw(3, 0, 160)
    assert tuple(few.x.shape) == (3, 40, data.inputs)
    assert tuple(many.x.shape) == (3, 160, data.inputs)
    assert tuple(few.test_x.shape) == (3, data.test, data.inputs)
    assert torch.equal(many.x[:, :40], few.x)
    assert torch.equal(many.y[:, :40], few.y)
    assert torch.equal(many.test_y, few.test_y)


@pytest.mark.parametrize("data", [data for data in DATA_SETS if data.needs], ids=lambda data: data.name)
def test_no_test_example_of_a_seed_is_one_that_it_trains_on(data: DataSet) -> None:
    task = data.draw(2, 0, 160)
    for seed in range(2):
        apart = torch.cdist(task.test_x[seed], task.x[seed])
        assert apart.min() > 0


def test_seeds_split_the_same_data_differently() -> None:
    task = DATA_SETS[1].draw(2, 0, 40)
    assert not torch.equal(task.y[0], task.y[1])


def test_without_scikit_learn_one_data_set_is_no_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "sklearn" else real(name))
    evidence = augmentation.test(Lab(budget=0.05, seeds=16, epochs=5))
    assert [(check.where, check.holds) for check in evidence.checks][1:] == [
        ("diabetes", None),
        ("breast cancer", None),
    ]
    verdict, condition = conclude(evidence.checks, is_sampled=augmentation.is_sampled)
    assert verdict in {"holds when", "undecided"}
    assert "undecided: " in condition


def test_data_without_signal_is_noise_and_data_without_noise_a_plane() -> None:
    noise, plane = linear_data(2, 0, signal=0.0), linear_data(2, 0, noise=0.0)
    assert noise.y.std().item() == pytest.approx(1.0, abs=0.2)
    missed = torch.linalg.lstsq(plane.x, plane.y.unsqueeze(-1)).solution
    assert torch.allclose(plane.test_x @ missed, plane.test_y.unsqueeze(-1))
