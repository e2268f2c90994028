"""Claims about derivatives: x.grad is the derivative, the differential, higher derivatives."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch

from harness.claims.claim import Evidence, Lab, Section, claim
from harness.claims.record import Check, Number, Panel, Plot, Series
from harness.claims.timing import case_of, judged, measure_case, ratio_number, seconds
from harness.workload.questions import differentiation

Function = Callable[[torch.Tensor], torch.Tensor]
TOLERANCE = 1e-12  # relative, in float64


@dataclass(frozen=True, slots=True)
class Known:
    """A function with its derivatives in closed form, from the function itself upwards."""

    name: str
    derivatives: tuple[Function, ...]


KNOWN = (
    Known("x^4", (lambda x: x**4, lambda x: 4 * x**3, lambda x: 12 * x**2, lambda x: 24 * x)),
    Known("sin x", (torch.sin, torch.cos, lambda x: -torch.sin(x), lambda x: -torch.cos(x))),
    Known("exp x", (torch.exp, torch.exp, torch.exp, torch.exp)),
    Known("log x", (torch.log, lambda x: 1 / x, lambda x: -1 / x**2, lambda x: 2 / x**3)),
    Known(
        "tanh x",
        (
            torch.tanh,
            lambda x: 1 - torch.tanh(x) ** 2,
            lambda x: -2 * torch.tanh(x) * (1 - torch.tanh(x) ** 2),
            lambda x: (1 - torch.tanh(x) ** 2) * (6 * torch.tanh(x) ** 2 - 2),
        ),
    ),
)
_POINTS = tuple(0.3 + 0.17 * step for step in range(12))  # where all of them are smooth


def _backward(value: torch.Tensor) -> None:
    value.backward()  # type: ignore[no-untyped-call]


def _repeated(function: Function, x: torch.Tensor, order: int) -> torch.Tensor:
    """Differentiate `order` times, elementwise, keeping the graph of every derivative but the last."""
    value = function(x)
    for done in range(order):
        (value,) = torch.autograd.grad(value.sum(), x, create_graph=done < order - 1)
    return value


@dataclass(frozen=True, slots=True)
class World:
    """What these claims run; by default the real torch."""

    backward: Callable[[torch.Tensor], None] = _backward
    derivative: Callable[[Function, torch.Tensor, int], torch.Tensor] = _repeated


def relative_error(result: torch.Tensor, expected: torch.Tensor) -> float:
    """Return the largest difference relative to the largest expected magnitude."""
    scale = expected.abs().max().item() or 1.0
    return (result - expected).abs().max().item() / scale


def _grad(world: World, function: Function, points: Sequence[float] | float) -> torch.Tensor:
    x = torch.tensor(points, dtype=torch.float64, requires_grad=True)
    world.backward(function(x))
    return torch.zeros_like(x) if x.grad is None else x.grad


def _summed(function: Function, x: torch.Tensor) -> torch.Tensor:
    return function(x).sum()


@claim(
    "D1",
    "With requires_grad=True, y = f(x) and y.backward(), x.grad is f'(x).",
    "x.grad in float64 against derivatives in closed form at 12 points, for scalars and for vectors that "
    "are summed; torch.autograd.gradcheck; and the cases in which a reader could expect it and not get it.",
)
def gradient_is_derivative(lab: Lab, world: World = World()) -> Evidence:
    """Compare x.grad with closed forms."""
    del lab
    smooth = "f differentiable at x, y a scalar, x.grad empty before"
    checks, numbers = [], []
    for known in KNOWN:
        function, slope = known.derivatives[:2]
        x = torch.tensor(_POINTS, dtype=torch.float64)
        scalars = torch.stack([_grad(world, function, point) for point in _POINTS])
        vector = _grad(world, partial(_summed, function), _POINTS)
        error = max(relative_error(scalars, slope(x)), relative_error(vector, slope(x)))
        checked = torch.autograd.gradcheck(function, (x.requires_grad_(),), raise_exception=False)
        checks.append(
            Check(
                where=smooth,
                says=f"{known.name}: largest relative error {error:.1e}, gradcheck "
                f"{'passes' if checked else 'fails'}",
                holds=error <= TOLERANCE and checked,
            )
        )
        numbers.append(Number(name=f"relative error, {known.name}", value=error))
    x = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    for _ in range(2):
        world.backward(x**2)
    gradient = math.nan if x.grad is None else x.grad.item()
    checks.append(
        Check(
            where="x.grad holds an earlier gradient",
            says=f"x^2 at 2, backward twice: x.grad is {gradient:g}, the derivative 4",
            holds=abs(gradient - 4) <= TOLERANCE,
        )
    )
    kink = _grad(world, torch.abs, 0.0).item()
    checks.append(
        Check(
            where="f not differentiable at x",
            says=f"|x| at 0: x.grad is {kink:g}, the slopes beside it are -1 and 1",
            holds=math.isnan(kink),
        )
    )
    try:
        _grad(world, lambda x: x**2, _POINTS)
        says, holds = "x^2 of a vector, without a sum: a gradient came", True
    except RuntimeError as error:
        says, holds = f"x^2 of a vector, without a sum: torch refuses ({error})", False
    checks.append(Check(where="y a vector", says=says, holds=holds))
    return Evidence(tuple(checks), tuple(numbers))


@claim(
    "D2",
    "The differential: f(x + dx) is f(x) + f'(x) dx, up to a remainder that shrinks with the square of dx.",
    "The remainder in float64 for 9 values of dx from 0.1 down to 0.001; its slope on a "
    "log-log plot, by least "
    "squares, should be 2.",
)
def remainder_is_quadratic(lab: Lab, world: World = World()) -> Evidence:
    """Fit the slope of the remainder."""
    del lab
    from scipy.stats import linregress

    steps = torch.logspace(-3, -1, 9, dtype=torch.float64)
    series, numbers, checks = [], [], []
    for known in KNOWN:
        function = known.derivatives[0]
        x = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
        slope = world.derivative(function, x, 1).detach()
        at = x.detach()
        remainder = (function(at + steps) - function(at) - slope * steps).abs()
        fit = linregress(steps.log10().numpy(), remainder.log10().numpy())
        exponent, error = float(fit.slope), float(fit.stderr)
        checks.append(Check(says=f"{known.name}: slope {exponent:.3f}", holds=abs(exponent - 2) <= 0.1))  # noqa: PLR2004
        numbers.append(
            Number(
                name=f"slope, {known.name}",
                value=exponent,
                low=exponent - 2 * error,
                high=exponent + 2 * error,
            )
        )
        series.append(Series(name=known.name, x=tuple(steps.tolist()), y=tuple(remainder.tolist())))
    guide = Series(name="slope 2", x=(1e-3, 1e-1), y=(1e-7, 1e-3))
    plot = Plot(
        name="D2",
        caption="What the differential misses, at x = 0.7: every curve falls two decades for one of dx.",
        panels=(
            Panel(
                title="remainder of the differential",
                x_label="dx",
                y_label="|f(x + dx) - f(x) - f'(x) dx|",
                x_scale="log",
                y_scale="log",
                series=(*series, guide),
            ),
        ),
    )
    return Evidence(tuple(checks), tuple(numbers), (plot,))


@claim(
    "D3",
    "Higher derivatives can be computed the same way.",
    "Second and third derivatives in float64 against closed forms, with and without "
    "create_graph; and what each "
    "further derivative of a loss costs in time, peak bytes and operators, measured as the question "
    "`differentiation`.",
)
def higher_derivatives(lab: Lab, world: World = World()) -> Evidence:
    """Compare higher derivatives with closed forms, and price them."""
    recorded = "each derivative but the last is recorded with create_graph=True"
    checks, numbers = [], []
    for order in (1, 2, 3):
        worst = 0.0
        for known in KNOWN:
            x = torch.tensor(_POINTS, dtype=torch.float64, requires_grad=True)
            expected = known.derivatives[order](x.detach())
            worst = max(worst, relative_error(world.derivative(known.derivatives[0], x, order), expected))
        checks.append(
            Check(
                where=recorded,
                says=f"derivative {order}: largest relative error {worst:.1e} over {len(KNOWN)} functions",
                holds=worst <= TOLERANCE,
            )
        )
        numbers.append(Number(name=f"relative error, derivative {order}", value=worst))
    x = torch.tensor(_POINTS, dtype=torch.float64, requires_grad=True)
    (first,) = torch.autograd.grad(torch.sin(x).sum(), x)
    checks.append(
        Check(
            where="create_graph is left at False",
            says=f"the first derivative of sin x requires grad: {first.requires_grad}",
            holds=first.requires_grad,
        )
    )
    return Evidence(tuple(checks), (*numbers, *_prices(lab)))


def _prices(lab: Lab) -> list[Number]:
    question = differentiation.QUESTION
    numbers = []
    for model in lab.timed:
        case = case_of(question, model, "train")
        # Each derivative is compared with the forward pass, which the question's arms are.
        control, *others = measure_case(question, case, differentiation.ARMS, lab).arms
        numbers.append(Number(name=f"{model}, forward: time", value=seconds(control), unit="s"))
        numbers.append(Number(name=f"{model}, forward: peak", value=control.counts["peak"], unit="B"))
        for arm, judgement in zip(others, judged(others), strict=True):
            numbers.append(ratio_number(f"{model}, {arm.arm}: time / forward", judgement))
            numbers.append(Number(name=f"{model}, {arm.arm}: peak", value=arm.counts["peak"], unit="B"))
            numbers.append(
                Number(name=f"{model}, {arm.arm}: operators", value=arm.counts["operators"], unit="1")
            )
    return numbers


SECTION = Section("Differentiation", (gradient_is_derivative, remainder_is_quadratic, higher_derivatives))
