"""A perceptron with two hidden layers, one for every seed, trained as one batched computation."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch.optim import AdamW

from harness.claims.regression import History, MakeOptimizer, RegressionTask

INPUTS = 10
TRAIN, TEST = 40, 400
LABEL_NOISE = 3.0  # standard deviation; Friedman took 1, and 3 leaves something to overfit
HIDDEN_WIDTH = 48
PILOT = 10_000  # added to the seed where strengths are chosen, so that no data is used twice
BATCH, _RATE = 20, 0.01

TensorChange = Callable[[torch.Tensor], torch.Tensor]


def friedman_data(seeds: int, seed: int, train: int = TRAIN) -> RegressionTask:
    """Draw Friedman's first problem: five inputs of ten matter.

    y = 10 sin(pi x1 x2) + 20 (x3 - 1/2)^2 + 10 x4 + 5 x5 + noise; inputs uniform on [0, 1]; here inputs are
    moved to mean 0 and variance 1, and targets divided by 5 after their mean, 14.4, is taken off.
    Test data, and the first training examples, are the same whatever `train` is.

    Source: J. Friedman, Multivariate adaptive regression splines, Annals of Statistics 19 (1991) 1-67.
    """
    test_x, test_y = _friedman(seeds, TEST, 2 * seed + 1)
    parts = [_friedman(seeds, TRAIN, 1000 * (seed + 1) + part) for part in range(-(-train // TRAIN))]
    x, y = (torch.cat(column, 1)[:, :train] for column in zip(*parts, strict=True))
    return RegressionTask(x, y, test_x, test_y)


def _friedman(seeds: int, examples: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    u = torch.rand(seeds, examples, INPUTS, generator=generator)
    noise = torch.randn(seeds, examples, generator=generator)
    signal = 10 * (torch.pi * u[..., 0] * u[..., 1]).sin() + 20 * (u[..., 2] - 0.5) ** 2
    y = signal + 10 * u[..., 3] + 5 * u[..., 4] + LABEL_NOISE * noise
    return (u - 0.5) * 12**0.5, (y - 14.4) / 5


def _same(value: torch.Tensor) -> torch.Tensor:
    return value


@dataclass(frozen=True, slots=True)
class Network:
    """The parameters of all seeds, and what training does to inputs, hidden values and weights on the way.

    Attributes:
        parameters: by name, the first dimension the seed.
        norms: whether hidden values are layer-normalised, with a gain and a shift.
        augment: applied to the inputs while training.
        drop: applied to hidden values while training.
        thin: applied to weight matrices while training.
    """

    parameters: dict[str, torch.Tensor]
    norms: bool = False
    augment: TensorChange = _same
    drop: TensorChange = _same
    thin: TensorChange = _same

    @classmethod
    def build(
        cls, seeds: int, seed: int, width: int = HIDDEN_WIDTH, *, norms: bool = False, inputs: int = INPUTS
    ) -> "Network":
        """Draw initial weights as torch.nn.Linear does: uniform within 1 / sqrt(inputs of the layer).

        With a width of 0 there is no hidden layer: a linear model.
        """
        generator = torch.Generator().manual_seed(seed + 7)
        sizes = (inputs, width, width, 1) if width else (inputs, 1)
        parameters = {}
        for layer, (width_in, outputs) in enumerate(pairwise(sizes)):
            bound = width_in**-0.5
            for name, shape in (("weight", (seeds, width_in, outputs)), ("bias", (seeds, 1, outputs))):
                drawn = torch.rand(shape, generator=generator) * 2 * bound - bound
                parameters[f"{layer}.{name}"] = drawn.requires_grad_()
            if norms and layer < len(sizes) - 2:
                parameters[f"{layer}.gain"] = torch.ones(seeds, 1, outputs, requires_grad=True)
                parameters[f"{layer}.shift"] = torch.zeros(seeds, 1, outputs, requires_grad=True)
        return cls(parameters, norms=norms)

    @property
    def weights(self) -> dict[str, torch.Tensor]:
        """Return the weight matrices by name."""
        return {name: value for name, value in self.parameters.items() if name.endswith("weight")}

    def predict(self, x: torch.Tensor, *, training: bool = False) -> torch.Tensor:
        """Return predictions [seed, example] of inputs [seed, example, input]."""
        model = self if training else replace(self, augment=_same, drop=_same, thin=_same)
        hidden = model.augment(x)
        last = len(model.weights) - 1
        for layer in range(last + 1):
            weight, bias = model.parameters[f"{layer}.weight"], model.parameters[f"{layer}.bias"]
            hidden = torch.baddbmm(bias, hidden, model.thin(weight))
            if layer == last:
                break
            if model.norms:
                hidden = torch.nn.functional.layer_norm(hidden, hidden.shape[-1:])
                hidden = hidden * model.parameters[f"{layer}.gain"] + model.parameters[f"{layer}.shift"]
            hidden = model.drop(hidden.relu())
        return hidden.squeeze(-1)


Penalty = Callable[[Network], torch.Tensor]


def train_network(
    network: Network,
    task: RegressionTask,
    seed: int,
    *,
    groups: list[dict[str, object]] | None = None,
    penalty: Penalty | None = None,
    make_optimizer: MakeOptimizer = AdamW,
    epochs: int,
    held_out: RegressionTask | None = None,
    every: int | None = None,
) -> History:
    """Train the networks of all seeds; return mean square errors, after the last epoch or more often.

    The losses of the seeds are added, and AdamW works element by element, so that no seed sees another.

    Args:
        network: trained in place.
        task: what it learns; `test` of the result is its test error.
        seed: of the order of examples.
        groups: parameter groups with their decay; by default one without.
        penalty: added to the loss, a sum over seeds.
        make_optimizer: of the groups.
        epochs: passes over the training data.
        every: epochs between looks at the errors; by default one look at the end.
        held_out: if given, `train` of the result is the error on its test data instead.
    """
    generator = torch.Generator().manual_seed(seed + 13)
    chosen = groups or [{"params": list(network.parameters.values()), "weight_decay": 0.0}]
    optimizer = make_optimizer(chosen, lr=_RATE)
    watched = (task.x, task.y) if held_out is None else (held_out.test_x, held_out.test_y)
    rows = []
    for epoch in range(1, epochs + 1):
        for batch in torch.split(torch.randperm(task.x.shape[1], generator=generator), BATCH):
            optimizer.zero_grad()
            missed = network.predict(task.x[:, batch], training=True) - task.y[:, batch]
            loss = missed.square().mean(1).sum()
            (loss if penalty is None else loss + penalty(network)).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        if epoch % (every or epochs):
            continue
        with torch.no_grad():
            rows.append(
                tuple(
                    (network.predict(x) - y).square().mean(1)
                    for x, y in (watched, (task.test_x, task.test_y))
                )
            )
    train, test = (torch.stack(column) for column in zip(*rows, strict=True))
    return History(train, test, torch.zeros_like(test))
