"""Linear regression on data, all seeds in one batched computation: SGD, ridge, lasso, validation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.optim import SGD, Optimizer

MakeOptimizer = Callable[..., Optimizer]
FOLDS = 5


@dataclass(frozen=True, slots=True)
class RegressionTask:
    """Training and test data of every seed.

    Attributes:
        x: training inputs [seed, example, input].
        y: training targets [seed, example].
        test_x: test inputs, likewise.
        test_y: test targets, likewise.
    """

    x: torch.Tensor
    y: torch.Tensor
    test_x: torch.Tensor
    test_y: torch.Tensor

    @property
    def seeds(self) -> int:
        """Return the number of seeds."""
        return self.x.shape[0]


@dataclass(frozen=True, slots=True)
class History:
    """What training gave, epoch by epoch; half the mean square is the loss.

    Attributes:
        train: training loss [epoch, seed]; the first row is before the first step.
        test: test loss, likewise.
        norm: Euclidean norm of the weights, likewise.
    """

    train: torch.Tensor
    test: torch.Tensor
    norm: torch.Tensor


def book_data(seeds: int, seed: int, train: int = 20, test: int = 100, inputs: int = 200) -> RegressionTask:
    """Draw the book's regression: y = 0.05 + sum of 0.01 x_i + noise of standard deviation 0.01.

    Source: A. Zhang, Z. Lipton, M. Li, A. Smola, Dive into Deep Learning, section Weight Decay.
    """
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(seeds, train + test, inputs, generator=generator, dtype=torch.float64)
    noise = torch.randn(seeds, train + test, generator=generator, dtype=torch.float64)
    y = 0.05 + 0.01 * x.sum(-1) + 0.01 * noise
    return RegressionTask(x[:, :train], y[:, :train], x[:, train:], y[:, train:])


def diabetes_data(seeds: int, seed: int, train: int = 60) -> RegressionTask:
    """Return random splits of scikit-learn's diabetes data with all products of two inputs, 65 in all.

    Inputs are standardized by their training examples; targets are in units of the training targets'
    standard deviation.
    """
    from sklearn.datasets import load_diabetes

    data = load_diabetes()
    raw = torch.as_tensor(data.data, dtype=torch.float64)
    raw = raw / raw.std(0)
    first, second = torch.triu_indices(raw.shape[1], raw.shape[1])
    products = raw[:, first] * raw[:, second]
    # The square of the one binary input says the same as the input itself.
    x = torch.cat([raw, products], 1)
    y = torch.as_tensor(data.target, dtype=torch.float64)
    generator = torch.Generator().manual_seed(seed)
    order = torch.stack([torch.randperm(len(y), generator=generator) for _ in range(seeds)])
    x, y = x[order], y[order]
    centre, scale = x[:, :train].mean(1, keepdim=True), x[:, :train].std(1, keepdim=True)
    x = (x - centre) / scale
    y = (y - y[:, :train].mean(1, keepdim=True)) / y[:, :train].std(1, keepdim=True)
    return RegressionTask(x[:, :train], y[:, :train], x[:, train:], y[:, train:])


def linear_data(seeds: int, seed: int, *, noise: float = 1.0, signal: float = 1.0) -> RegressionTask:
    """Draw a linear regression with fewer inputs, 20, than training examples, 60, and 200 test examples.

    Args:
        seeds: each with its own data and true weights.
        seed: of everything drawn.
        noise: its standard deviation.
        signal: of the noiseless targets, their standard deviation; with 0 there is nothing to learn.
    """
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(seeds, 260, 20, generator=generator, dtype=torch.float64)
    truth = torch.randn(seeds, 20, 1, generator=generator, dtype=torch.float64)
    y = signal * (x @ truth).squeeze(-1) / 20**0.5
    y = y + noise * torch.randn(seeds, 260, generator=generator, dtype=torch.float64)
    return RegressionTask(x[:, :60], y[:, :60], x[:, 60:], y[:, 60:])


def half_square(weights: torch.Tensor, bias: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return each seed's loss: half the mean square of what a linear model misses.

    Args:
        weights: [seed, input].
        bias: [seed].
        x: [seed, example, input].
        y: [seed, example].
    """
    missed = (x @ weights.unsqueeze(-1)).squeeze(-1) + bias.unsqueeze(-1) - y
    return missed.square().mean(-1) / 2


def train_by_sgd(
    task: RegressionTask,
    decays: Sequence[float],
    seed: int,
    make_optimizer: MakeOptimizer = SGD,
    *,
    rate: float = 0.003,
    epochs: int = 100,
    batch: int = 5,
) -> tuple[History, ...]:
    """Train a linear model for every seed and every decay of the weights at once; the bias does not decay.

    All models start from the same weights and see the same batches. Their losses are added; the gradient of
    each is then its own, and so is its path.

    Returns:
        The history of each decay, in their order.
    """
    generator = torch.Generator().manual_seed(seed + 1)
    seeds, examples, inputs = task.x.shape
    start = torch.randn(seeds, inputs, generator=generator, dtype=torch.float64)
    weights = [start.clone().requires_grad_() for _ in decays]
    bias = torch.zeros(seeds, 1, len(decays), dtype=torch.float64, requires_grad=True)
    groups: list[dict[str, Any]] = [
        {"params": [each], "weight_decay": decay} for each, decay in zip(weights, decays, strict=True)
    ]
    optimizer = make_optimizer([*groups, {"params": [bias]}], lr=rate)
    rows: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []

    def losses(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Return half the mean squares [seed, decay]."""
        missed = x @ torch.stack(weights, -1) + bias - y.unsqueeze(-1)
        return missed.square().mean(1) / 2

    def note() -> None:
        with torch.no_grad():
            norms = torch.stack(weights, -1).norm(dim=1)
            rows.append((losses(task.x, task.y), losses(task.test_x, task.test_y), norms))

    note()
    for _ in range(epochs):
        order = torch.randperm(examples, generator=generator)
        for chosen in torch.split(order, batch):
            optimizer.zero_grad()
            losses(task.x[:, chosen], task.y[:, chosen]).sum().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        note()
    train, test, norm = (torch.stack(column).unbind(-1) for column in zip(*rows, strict=True))
    return tuple(map(History, train, test, norm))


def ridge(x: torch.Tensor, y: torch.Tensor, strength: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Minimize the sum of squares + strength ||w||^2, the intercept free; return weights and intercepts.

    Args:
        x: [seed, example, input].
        y: [seed, example].
        strength: above 0 where there are fewer examples than inputs.
    """
    x_mean, y_mean = x.mean(1, keepdim=True), y.mean(1, keepdim=True)
    x0, y0 = x - x_mean, (y - y_mean).unsqueeze(-1)
    examples, inputs = x.shape[1:]
    if examples < inputs:
        kernel = x0 @ x0.mT + strength * torch.eye(examples, dtype=x.dtype)
        weights = x0.mT @ torch.linalg.solve(kernel, y0)
    else:
        weights = torch.linalg.solve(x0.mT @ x0 + strength * torch.eye(inputs, dtype=x.dtype), x0.mT @ y0)
    intercept = y_mean.squeeze(1) - (x_mean @ weights).flatten()
    return weights.squeeze(-1), intercept


FitModel = Callable[[torch.Tensor, torch.Tensor, float], tuple[torch.Tensor, torch.Tensor]]


def sweep(
    task: RegressionTask, strengths: Sequence[float], fit: FitModel
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the mean squares on training and test data [seed, strength] of fits of every strength."""
    train, test = [], []
    for strength in strengths:
        weights, intercept = fit(task.x, task.y, strength)
        train.append(2 * half_square(weights, intercept, task.x, task.y))
        test.append(2 * half_square(weights, intercept, task.test_x, task.test_y))
    return torch.stack(train, 1), torch.stack(test, 1)


def _part(task: RegressionTask, examples: torch.Tensor, held_out: torch.Tensor) -> RegressionTask:
    """Return the task of learning from some training examples and being tested on others."""
    return RegressionTask(task.x[:, examples], task.y[:, examples], task.x[:, held_out], task.y[:, held_out])


def validate_by_split(task: RegressionTask, strengths: Sequence[float], fit: FitModel) -> torch.Tensor:
    """Return the mean square [seed, strength] on the last fifth of the training data, fitted on the rest."""
    examples = torch.arange(task.x.shape[1])
    count = len(examples) - len(examples) // FOLDS
    return sweep(_part(task, examples[:count], examples[count:]), strengths, fit)[1]


def validate_by_folds(task: RegressionTask, strengths: Sequence[float], fit: FitModel) -> torch.Tensor:
    """Return the mean square [seed, strength] over 5 folds, each left out once."""
    examples = torch.arange(task.x.shape[1])
    errors = []
    for fold in examples.tensor_split(FOLDS):
        rest = examples[~torch.isin(examples, fold)]
        errors.append(sweep(_part(task, rest, fold), strengths, fit)[1])
    return torch.stack(errors).mean(0)


Proximal = Callable[[torch.Tensor, float], torch.Tensor]


def soft_threshold(weights: torch.Tensor, threshold: float) -> torch.Tensor:
    """Move every weight towards 0 by the threshold, and to 0 where it is nearer: L1's proximal step."""
    return weights.sign() * (weights.abs() - threshold).clamp(min=0)


def lasso(
    x: torch.Tensor, y: torch.Tensor, strength: float, steps: int = 4000, proximal: Proximal = soft_threshold
) -> torch.Tensor:
    """Minimize half the mean square + strength ||w||_1 without intercept by proximal gradient steps.

    Args:
        x: [seed, example, input].
        y: [seed, example].
        strength: of the penalty.
        steps: each of the size that the largest curvature allows.
        proximal: the penalty's proximal step.
    """
    examples = x.shape[1]
    gram, moment = x.mT @ x / examples, (x.mT @ y.unsqueeze(-1) / examples)
    rate = 1 / float(torch.linalg.matrix_norm(gram, ord=2).max())
    weights = torch.zeros_like(moment)
    for _ in range(steps):
        weights = proximal(weights - rate * (gram @ weights - moment), rate * strength)
    return weights.squeeze(-1)
