"""Claims about weight decay that have a closed form: groups, the penalty in the loss, and what they cost."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import torch
from torch.optim import SGD, Adam, AdamW, Optimizer

from harness.claims.claim import Evidence, Lab, claim
from harness.claims.differentiation import TOLERANCE, relative_error
from harness.claims.record import Check, Number
from harness.claims.regression import MakeOptimizer, book_data, half_square
from harness.claims.timing import (
    case_of,
    judged,
    measure_case,
    one_part,
    ratio_number,
    seconds,
    time_steps,
)
from harness.measure.observe import Observation
from harness.workload.decay import decay_groups
from harness.workload.model import Model
from harness.workload.questions import regularizers
from harness.workload.questions.decay_groups import make_optimizer
from harness.workload.sources import build

RATE, DECAY, STEPS = 0.003, 3.0, 100

_OPTIMIZERS: Mapping[str, MakeOptimizer] = MappingProxyType(
    {
        "SGD": SGD,
        "SGD with momentum": lambda groups, lr: SGD(groups, lr=lr, momentum=0.9),
        "Adam": Adam,
        "AdamW": AdamW,
    }
)


def _grouped_optimizer(model: Model, policy: str) -> Optimizer:
    return make_optimizer("adamw-foreach", decay_groups(model.module, policy, 0.01))


@dataclass(frozen=True, slots=True)
class World:
    """What these claims run; by default the real torch."""

    sgd: MakeOptimizer = SGD
    optimizers: Mapping[str, MakeOptimizer] = field(default_factory=lambda: _OPTIMIZERS)
    group: Callable[[Model, str], Optimizer] = _grouped_optimizer


@dataclass(slots=True)
class Regression:
    """One linear model on the book's data, in float64."""

    seed: int
    weights: torch.Tensor = field(init=False)
    bias: torch.Tensor = field(init=False)
    x: torch.Tensor = field(init=False)
    y: torch.Tensor = field(init=False)

    def __post_init__(self) -> None:
        task = book_data(1, self.seed)
        self.x, self.y = task.x, task.y
        generator = torch.Generator().manual_seed(self.seed + 1)
        self.weights = torch.randn(1, 200, generator=generator, dtype=torch.float64).requires_grad_()
        self.bias = torch.zeros(1, dtype=torch.float64, requires_grad=True)

    def loss(self) -> torch.Tensor:
        """Return the loss, a scalar."""
        return half_square(self.weights, self.bias, self.x, self.y).sum()

    def path(
        self, optimizer: Optimizer, penalty: Callable[[torch.Tensor], torch.Tensor] | None = None
    ) -> torch.Tensor:
        """Train, and return weights and bias after every step [step, parameter]."""
        rows = []
        for _ in range(STEPS):
            optimizer.zero_grad()
            loss = self.loss() if penalty is None else self.loss() + penalty(self.weights)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            rows.append(torch.cat([self.weights.detach().flatten(), self.bias.detach()]))
        return torch.stack(rows)

    def closed_path(self, extra: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        """Return the path of w - lr (g + extra(w)), b - lr g, with gradients in closed form."""
        weights, bias = self.weights.detach().flatten().clone(), self.bias.detach().clone()
        x, y = self.x[0], self.y[0]
        rows = []
        for _ in range(STEPS):
            missed = x @ weights + bias - y
            slope = x.mT @ missed / len(y)
            weights = weights - RATE * (slope + extra(weights))
            bias = bias - RATE * missed.mean()
            rows.append(torch.cat([weights, bias]))
        return torch.stack(rows)


@claim(
    "W1",
    "With groups [{weight, weight_decay: wd}, {bias}], SGD decays the weight alone.",
    "One step and 100 steps of SGD on the book's regression in float64 against w - lr (g + "
    "wd w) and b - lr g.",
)
def groups_decay_the_weight(lab: Lab, world: World = World()) -> Evidence:
    """Compare SGD with groups with its closed form."""
    problem = Regression(lab.seed)
    expected = problem.closed_path(lambda w: DECAY * w)
    groups = [{"params": [problem.weights], "weight_decay": DECAY}, {"params": [problem.bias]}]
    path = problem.path(world.sgd(groups, lr=RATE))
    errors = {1: relative_error(path[0], expected[0]), STEPS: relative_error(path, expected)}
    bias_error = relative_error(path[:, -1], expected[:, -1])
    return Evidence(
        (
            *(
                Check(
                    says=f"{steps} step{'s' * (steps > 1)}: relative error {error:.1e}",
                    holds=error <= TOLERANCE,
                )
                for steps, error in errors.items()
            ),
            Check(
                says=f"the bias alone, {STEPS} steps: relative error {bias_error:.1e}",
                holds=bias_error <= TOLERANCE,
            ),
        ),
        tuple(
            Number(name=f"relative error after {steps} steps", value=error) for steps, error in errors.items()
        ),
    )


@claim(
    "W2",
    "`weight_decay = wd` is the penalty wd/2 ||w||^2 in the loss.",
    "100 steps in float64 with decay in the optimizer and with the penalty in the loss, for "
    "four optimizers; and "
    "what each way costs a training step of a perceptron.",
)
def decay_is_a_penalty(lab: Lab, world: World = World()) -> Evidence:
    """Compare paths with decay and with the penalty, and price both."""
    checks, numbers = [], []
    for name, make in world.optimizers.items():
        paths = []
        for in_loss in (False, True):
            problem = Regression(lab.seed)
            groups = [
                {"params": [problem.weights], "weight_decay": 0.0 if in_loss else DECAY},
                {"params": [problem.bias], "weight_decay": 0.0},
            ]
            penalty = (lambda w: DECAY / 2 * w.square().sum()) if in_loss else None
            paths.append(problem.path(make(groups, lr=RATE), penalty))
        error = relative_error(paths[0], paths[1])
        says = f"{name}: paths differ by {error:.1e} of the largest weight over {STEPS} steps"
        checks.append(Check(where=name, says=says, holds=error <= TOLERANCE))
        numbers.append(Number(name=f"relative difference of paths, {name}", value=error))
    numbers.append(
        Number(name="AdamW against w (1 - lr wd), then Adam: relative difference", value=_decoupled(lab))
    )
    question = regularizers.QUESTION
    arms = (regularizers.REFERENCE, regularizers.DECAY, regularizers.PENALTY)
    record = measure_case(question, case_of(question, lab.timed[0], "train"), arms, lab)
    numbers.append(Number(name="time of a step, no regularizer", value=seconds(record.arms[0]), unit="s"))
    for arm, judgement in zip(record.arms[1:], judged(record.arms[1:]), strict=True):
        numbers.append(ratio_number(f"{arm.arm}: time / no regularizer", judgement))
    for arm in record.arms:
        numbers += [
            Number(name=f"{arm.arm}: {metric}", value=arm.counts[metric], unit=unit)
            for metric, unit in (("peak", "B"), ("operators", "1"))
        ]
    return Evidence(tuple(checks), tuple(numbers))


def _decoupled(lab: Lab) -> float:
    """Return how far AdamW is from shrinking the weights by 1 - lr wd and then taking Adam's step."""
    whole, parts = Regression(lab.seed), Regression(lab.seed)
    groups = [
        {"params": [whole.weights], "weight_decay": DECAY},
        {"params": [whole.bias], "weight_decay": 0.0},
    ]
    path = whole.path(AdamW(groups, lr=RATE))
    adam = Adam([parts.weights, parts.bias], lr=RATE)
    for _ in range(STEPS):
        adam.zero_grad()
        parts.loss().backward()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            parts.weights.mul_(1 - RATE * DECAY)
        adam.step()
    return relative_error(parts.weights.detach().flatten(), path[-1, :-1])


@claim(
    "W3",
    "`wd = 0` turns decay off.",
    "100 steps in float64 with weight_decay=0 against the penalty-free closed form for SGD, "
    "and against the same "
    "optimizer without decay for Adam (AdamW's default is not 0, so that leaving the "
    "argument out is not the same).",
)
def zero_is_none(lab: Lab, world: World = World()) -> Evidence:
    """Train with weight decay 0 and without any."""
    checks, numbers = [], []
    problem = Regression(lab.seed)
    free = problem.closed_path(torch.zeros_like)
    plain = Regression(lab.seed)
    adam = plain.path(Adam([plain.weights, plain.bias], lr=RATE))
    for name, expected in (("SGD", free), ("Adam", adam), ("AdamW", adam)):
        tried = Regression(lab.seed)
        groups = [
            {"params": [tried.weights], "weight_decay": 0.0},
            {"params": [tried.bias], "weight_decay": 0.0},
        ]
        error = relative_error(tried.path(world.optimizers[name](groups, lr=RATE)), expected)
        checks.append(Check(says=f"{name}: relative difference {error:.1e}", holds=error <= TOLERANCE))
        numbers.append(Number(name=f"relative difference, {name}", value=error))
    default = Regression(lab.seed)
    left_out = default.path(AdamW([default.weights, default.bias], lr=RATE))
    numbers.append(
        Number(
            name="AdamW with weight_decay left out: relative difference", value=relative_error(left_out, adam)
        )
    )
    return Evidence(tuple(checks), tuple(numbers))


@claim(
    "W10",
    "Decay groups do not touch the forward pass.",
    "The forward pass of a perceptron whose parameters are in one group of AdamW and, in a "
    "copy, in two: bytes, "
    "nodes and operators. Beside it, their time in pairs.",
)
def groups_leave_forward_alone(lab: Lab, world: World = World()) -> Evidence:
    """Compare forward passes of models with one group and with two."""
    steps, costs = [], []
    for policy in ("one group", "weights and biases"):
        model = build(case_of(regularizers.QUESTION, "mlp-relu", "train"), lab.seed)
        optimizer = world.group(model, policy)
        model.loss_of_forward().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        step = one_part(
            model.__call__, model.module, *(t for t in model.inputs if isinstance(t, torch.Tensor))
        )
        observation = Observation(step)
        costs.append(
            (
                observation.forward.peak_bytes(),
                observation.graph.saved_bytes,
                observation.graph.nodes,
                len(observation.forward.operators),
            )
        )
        steps.append(step)
    timed = time_steps(steps[0], steps[1], lab, "W10").judgement
    words = "peak {:,} B, saved {:,} B, {} nodes, {} operators"
    return Evidence(
        (
            Check(
                says=f"one group: {words.format(*costs[0])}; two: {words.format(*costs[1])}",
                holds=costs[0] == costs[1],
            ),
        ),
        (ratio_number("forward time, two groups / one", timed),),
    )
