"""The data sets on which remedies for overfitting are tried: one drawn, two that scikit-learn ships."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from harness.claims.perceptron import INPUTS, TEST, TRAIN, friedman_data
from harness.claims.regression import RegressionTask

_REAL_TEST = 200  # of the 442 and 569 examples; the rest is enough for four times the training examples


@dataclass(frozen=True, slots=True)
class DataSet:
    """Few training examples and many test examples, as often as there are seeds.

    Attributes:
        name: as conditions say it.
        draw: from the number of seeds, the seed and the number of training examples to the data; test data
            and the first training examples are the same whatever that number is.
        inputs: how many there are.
        test: test examples of a seed.
        share: of the session's seeds that are spent on it.
        needs: the package, by import name, that ships it; "" where it is drawn.
    """

    name: str
    draw: Callable[[int, int, int], RegressionTask]
    inputs: int
    test: int
    share: float = 1.0
    needs: str = ""

    @property
    def is_here(self) -> bool:
        """Return whether it can be loaded."""
        return not self.needs or importlib.util.find_spec(self.needs) is not None


def _diabetes(seeds: int, seed: int, train: int) -> RegressionTask:
    from sklearn.datasets import load_diabetes

    data = load_diabetes()
    task = _splits(data.data, data.target, seeds, seed, train)
    centre, scale = task.y[:, :TRAIN].mean(1, keepdim=True), task.y[:, :TRAIN].std(1, keepdim=True)
    return RegressionTask(task.x, (task.y - centre) / scale, task.test_x, (task.test_y - centre) / scale)


def _breast_cancer(seeds: int, seed: int, train: int) -> RegressionTask:
    """Return the labels as -1 and 1, which a network is fitted to by least squares."""
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer()
    return _splits(data.data, 2.0 * data.target - 1.0, seeds, seed, train)


def _splits(inputs: Any, targets: Any, seeds: int, seed: int, train: int) -> RegressionTask:
    """Split one data set at random, once a seed; inputs are standardized by the first training examples."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.stack([torch.randperm(len(targets), generator=generator) for _ in range(seeds)])
    x = torch.as_tensor(inputs, dtype=torch.float32)[order]
    y = torch.as_tensor(targets, dtype=torch.float32)[order]
    chosen, held_out = slice(_REAL_TEST, _REAL_TEST + train), slice(_REAL_TEST)
    first = x[:, _REAL_TEST : _REAL_TEST + TRAIN]
    x = (x - first.mean(1, keepdim=True)) / first.std(1, keepdim=True)
    return RegressionTask(x[:, chosen], y[:, chosen], x[:, held_out], y[:, held_out])


FRIEDMAN = DataSet("Friedman's problem", friedman_data, INPUTS, TEST)
DATA_SETS = (
    FRIEDMAN,
    DataSet("diabetes", _diabetes, 10, _REAL_TEST, share=0.4, needs="sklearn"),
    DataSet("breast cancer", _breast_cancer, 30, _REAL_TEST, share=0.4, needs="sklearn"),
)
