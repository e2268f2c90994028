"""The experiments' own computations: every seed by itself, and against references."""

import pytest
import torch
from torch.optim import SGD

from harness.claims.perceptron import Network, friedman_data, train_network
from harness.claims.regression import RegressionTask, book_data, lasso, ridge, soft_threshold, train_by_sgd
from harness.claims.seeds import Estimate, all_hold, estimate, is_lower, seed_ratio

pytestmark = pytest.mark.process


def test_a_seed_and_a_decay_train_as_they_do_alone() -> None:
    task = book_data(3, 0)
    _, together, _ = train_by_sgd(task, (0.0, 3.0, 1.0), 0, epochs=4)
    weights = torch.randn(3, 200, generator=torch.Generator().manual_seed(1), dtype=torch.float64)[1]
    weights.requires_grad_()
    bias = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = SGD([{"params": [weights], "weight_decay": 3.0}, {"params": [bias]}], lr=0.003)
    generator = torch.Generator().manual_seed(1)
    torch.randn(3, 200, generator=generator, dtype=torch.float64)
    for _ in range(4):
        for chosen in torch.split(torch.randperm(20, generator=generator), 5):
            optimizer.zero_grad()
            ((task.x[1, chosen] @ weights + bias - task.y[1, chosen]).square().mean() / 2).backward()
            optimizer.step()
    assert together.norm[-1, 1].item() == pytest.approx(weights.norm().item(), rel=1e-12)


def test_networks_of_different_seeds_do_not_see_one_another() -> None:
    task = friedman_data(2, 0)
    both = Network.build(2, 0)
    alone = Network(
        {name: value.detach()[1:].clone().requires_grad_() for name, value in both.parameters.items()}
    )
    only = RegressionTask(task.x[1:], task.y[1:], task.test_x[1:], task.test_y[1:])
    together = train_network(both, task, 0, epochs=3).test[-1, 1]
    assert train_network(alone, only, 0, epochs=3).test[-1, 0].item() == pytest.approx(
        together.item(), rel=1e-4
    )


def test_the_books_data_has_the_books_numbers() -> None:
    task = book_data(50, 0)
    assert (tuple(task.x.shape), tuple(task.test_x.shape)) == ((50, 20, 200), (50, 100, 200))
    rest = task.test_y - 0.05 - 0.01 * task.test_x.sum(-1)
    assert rest.std().item() == pytest.approx(0.01, rel=0.05)
    assert rest.mean().item() == pytest.approx(0.0, abs=1e-3)


def test_more_data_begins_with_the_same_examples_and_has_the_same_test_set() -> None:
    few, many = friedman_data(2, 0), friedman_data(2, 0, 160)
    assert torch.equal(many.x[:, :40], few.x)
    assert torch.equal(many.test_x, few.test_x)
    assert many.x.shape[1] == 160


@pytest.mark.parametrize("shape", [(30, 5), (10, 25)])
def test_ridge_solves_its_normal_equations_with_few_and_with_many_inputs(shape: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, *shape, generator=generator, dtype=torch.float64)
    y = torch.randn(2, shape[0], generator=generator, dtype=torch.float64)
    weights, intercept = ridge(x, y, 0.7)
    missed = (x @ weights.unsqueeze(-1)).squeeze(-1) + intercept.unsqueeze(-1) - y
    slope = (x.mT @ missed.unsqueeze(-1)).squeeze(-1) + 0.7 * weights
    assert slope.abs().max().item() < 1e-12
    assert missed.mean(1).abs().max().item() < 1e-12


def test_lasso_with_a_strong_penalty_keeps_nothing() -> None:
    x = torch.eye(4, dtype=torch.float64).unsqueeze(0)
    y = torch.tensor([[4.0, 2.0, 1.0, 0.0]], dtype=torch.float64)
    # Half the mean square + s |w|: each weight is y - 4 s, or 0.
    assert lasso(x, y, 0.3).tolist() == [pytest.approx([2.8, 0.8, 0.0, 0.0])]
    assert lasso(x, y, 1.0).abs().sum().item() == 0


def test_soft_thresholding_moves_towards_zero_and_stops_there() -> None:
    assert soft_threshold(torch.tensor([-2.0, -0.5, 0.5, 3.0]), 1.0).tolist() == [-1.0, 0.0, 0.0, 2.0]


def test_an_estimate_is_the_median_with_order_statistics_around_it() -> None:
    found = estimate([float(value) for value in range(1, 22)])
    assert (found.value, found.low, found.high, found.seeds) == (11.0, 5.0, 17.0, 21)


def test_a_gain_within_one_percent_is_none() -> None:
    assert is_lower(Estimate(0.9, 0.85, 0.95, 100)) is True
    assert is_lower(Estimate(0.995, 0.992, 0.999, 100)) is False
    assert is_lower(Estimate(1.2, 1.1, 1.3, 100)) is False
    assert is_lower(Estimate(0.95, 0.9, 1.01, 100)) is None


def test_a_ratio_of_equal_errors_is_one_and_no_gain() -> None:
    same = seed_ratio(torch.ones(16), torch.ones(16))
    assert (same.value, is_lower(same)) == (1.0, False)


def test_all_hold_is_no_before_it_is_unknown() -> None:
    assert (all_hold((True, True)), all_hold((True, None)), all_hold((None, False))) == (True, None, False)
