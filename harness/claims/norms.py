"""Claims about norms as penalties: L1's step, its zeros, and the Frobenius norm in three ways."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import torch
from torch import nn
from torch.optim import SGD

from harness.claims.claim import Evidence, Lab, claim
from harness.claims.decay import DECAY, RATE, STEPS, Regression
from harness.claims.differentiation import TOLERANCE, relative_error
from harness.claims.record import Check, Number, Panel, Plot, Series
from harness.claims.regression import Proximal, lasso, soft_threshold
from harness.claims.seeds import estimate, number, words
from harness.claims.timing import one_part, ratio_number, time_calls
from harness.measure.observe import Observation

Norm = Callable[[torch.Tensor], torch.Tensor]

_NORMS: Mapping[str, Norm] = MappingProxyType(
    {
        "torch.linalg.matrix_norm(A)": torch.linalg.matrix_norm,
        "sqrt(sum of squares)": lambda a: a.square().sum().sqrt(),
        "sqrt(trace(A^T A))": lambda a: (a.mT @ a).trace().sqrt(),
    }
)


def _l1_penalty(weights: torch.Tensor, strength: float) -> torch.Tensor:
    return strength * weights.abs().sum()


@dataclass(frozen=True, slots=True)
class World:
    """What these claims run; by default the real torch."""

    l1_penalty: Callable[[torch.Tensor, float], torch.Tensor] = _l1_penalty
    l1_slope: Callable[[torch.Tensor], torch.Tensor] = torch.sign
    proximal: Proximal = soft_threshold
    norms: Mapping[str, Norm] = field(default_factory=lambda: _NORMS)


@claim(
    "W7",
    "With an L1 penalty the step is w - lr (g + lambda sign(w)).",
    "100 steps of SGD on the loss with the penalty, by autograd in float64, against that "
    "formula with g in closed "
    "form; and the gradient at a weight of exactly 0.",
)
def l1_step(lab: Lab, world: World = World()) -> Evidence:
    """Compare autograd's steps with the formula."""
    problem = Regression(lab.seed)
    expected = problem.closed_path(lambda w: DECAY * w.sign())
    path = problem.path(SGD([problem.weights, problem.bias], lr=RATE), lambda w: world.l1_penalty(w, DECAY))
    error = relative_error(path, expected)
    zero = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    world.l1_penalty(zero, DECAY).backward()  # type: ignore[no-untyped-call]
    at_zero = 0.0 if zero.grad is None else zero.grad.item()
    return Evidence(
        (
            Check(says=f"{STEPS} steps: relative error {error:.1e}", holds=error <= TOLERANCE),
            Check(says=f"the penalty's gradient at 0 is {at_zero:g}, sign(0) is 0", holds=at_zero == 0),
        ),
        (Number(name="relative error of the path", value=error),),
    )


_NEAR_ZERO = 0.01  # a hundredth of what the weights that matter are
_STRENGTH = 0.1


@dataclass(frozen=True, slots=True)
class _Sparse:
    """A regression in which 5 of 50 inputs matter, each with weight 1, in 100 examples; every seed its own.

    Attributes:
        x: [seed, example, input].
        y: [seed, example].
    """

    x: torch.Tensor
    y: torch.Tensor

    @classmethod
    def draw(cls, lab: Lab) -> "_Sparse":
        generator = torch.Generator().manual_seed(lab.seed)
        x = torch.randn(lab.seeds, 100, 50, generator=generator, dtype=torch.float64)
        noise = 0.5 * torch.randn(lab.seeds, 100, generator=generator, dtype=torch.float64)
        return cls(x, x[..., :5].sum(-1) + noise)

    def by_steps(self, slope: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        """Return the weights [seed, input] after 2000 steps w - lr (g + lambda slope(w))."""
        gram = self.x.mT @ self.x / self.x.shape[1]
        moment = self.x.mT @ self.y.unsqueeze(-1) / self.x.shape[1]
        weights = torch.zeros_like(moment)
        for _ in range(2000):
            weights = weights - 0.01 * (gram @ weights - moment + _STRENGTH * slope(weights))
        return weights.squeeze(-1)

    def by_proximal(self, proximal: Proximal) -> torch.Tensor:
        """Return the weights [seed, input] that the proximal step leads to."""
        return lasso(self.x, self.y, _STRENGTH, proximal=proximal)


@claim(
    "W8",
    "L1 drives weights towards zero, and makes the model sparser.",
    "50 inputs of which 5 matter, 100 examples, every seed its own: how many weights are below 0.01 after "
    "2000 steps w - lr (g + lambda sign(w)), and with the proximal step, against no penalty; beside "
    "it, an L2 penalty of the same strength.",
)
def l1_shrinks(lab: Lab, world: World = World()) -> Evidence:
    """Count the weights that are next to zero, with a penalty and without."""
    data = _Sparse.draw(lab)

    def small(weights: torch.Tensor) -> torch.Tensor:
        return (weights.abs() < _NEAR_ZERO).sum(1).double()

    free = small(data.by_steps(torch.zeros_like))
    ways = {
        "the step w - lr (g + lambda sign(w))": small(data.by_steps(world.l1_slope)),
        "the proximal step": small(data.by_proximal(world.proximal)),
    }
    without = estimate(free)
    checks, numbers = [], [number("weights below 0.01, no penalty", without)]
    for way, count in ways.items():
        with_penalty, more = estimate(count), estimate(count - free)
        checks.append(
            Check(
                where=way,
                says=f"{with_penalty.value:g} of 50 weights below {_NEAR_ZERO}, {without.value:g} without a "
                f"penalty: {words(more)} more, the median of {lab.seeds} seeds",
                holds=more.low > 0,
            )
        )
        numbers.append(number(f"weights below 0.01, {way}", with_penalty))
    numbers.append(number("weights below 0.01, L2", estimate(small(data.by_steps(lambda w: w)))))
    return Evidence(tuple(checks), tuple(numbers))


@claim(
    "W12",
    "L1 makes weights exactly zero.",
    "The regression of W8: weights that are exactly 0 after the step w - lr (g + lambda sign(w)) and with "
    "the proximal step, whose solution is checked against scikit-learn's Lasso.",
    needs=("sklearn",),
)
def l1_zeros(lab: Lab, world: World = World()) -> Evidence:
    """Count the weights that are exactly zero after each kind of step."""
    from sklearn.linear_model import Lasso

    data = _Sparse.draw(lab)
    by_sign, proximal = data.by_steps(world.l1_slope), data.by_proximal(world.proximal)
    reference = Lasso(alpha=_STRENGTH, fit_intercept=False, tol=1e-12, max_iter=100_000)
    reference.fit(data.x[0].numpy(), data.y[0].numpy())
    expected = torch.as_tensor(reference.coef_)
    apart = relative_error(proximal[0], expected)
    same_zeros = torch.equal(proximal[0] == 0, expected == 0)
    counts = {"sign": (by_sign == 0).sum(1).double(), "proximal": (proximal == 0).sum(1).double()}
    zeros = {name: estimate(count) for name, count in counts.items()}
    return Evidence(
        (
            Check(
                where="the proximal step",
                says=f"{zeros['proximal'].value:g} of 50 weights exactly 0, the median of "
                f"{lab.seeds} seeds; against "
                f"Lasso {apart:.1e} apart, {'the same' if same_zeros else 'other'} zeros",
                holds=zeros["proximal"].low > 0 and same_zeros and apart <= 1e-6,  # noqa: PLR2004
            ),
            Check(
                where="the step w - lr (g + lambda sign(w))",
                says=f"{zeros['sign'].value:g} of 50 weights exactly 0; "
                f"{(by_sign.abs() < _NEAR_ZERO).double().mean() * 50:.1f} on average below {_NEAR_ZERO}",
                holds=zeros["sign"].low > 0,
            ),
        ),
        tuple(number(f"weights exactly 0, {name} step", zero) for name, zero in zeros.items()),
    )


@claim(
    "W9",
    "The Frobenius norm is sqrt(sum of squares) = sqrt(trace(A^T A)).",
    "The three ways on matrices of five shapes in float64. Beside it, what floating point makes of entries "
    "of 1e25 and 1e-25 in float32; and time and bytes on square matrices from 64 to 512.",
)
def three_norms(lab: Lab, world: World = World()) -> Evidence:
    """Compute the norm in three ways; compare values, time and bytes."""
    generator = torch.Generator().manual_seed(lab.seed)
    names = tuple(world.norms)
    checks, numbers = [], []
    shapes = ((1, 1), (3, 7), (7, 3), (50, 50), (200, 11))
    for name in names[1:]:
        worst = 0.0
        for shape in shapes:
            matrix = torch.randn(shape, generator=generator, dtype=torch.float64)
            worst = max(worst, relative_error(world.norms[name](matrix), world.norms[names[0]](matrix)))
        checks.append(Check(says=f"{name}: relative error {worst:.1e}", holds=worst <= TOLERANCE))
        numbers.append(Number(name=f"relative error, {name}", value=worst))
    # An identity of numbers is not refuted by a format that cannot hold their squares.
    numbers += [
        Number(
            name=f"entries of {entry:g} in float32, whose norm is {2 * entry:g}: {name}",
            text=f"{world.norms[name](torch.full((2, 2), entry)).item():g}",
        )
        for entry in (1e25, 1e-25)
        for name in names
    ]
    sizes = (64, 128, 256, 512)
    curves: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for size in sizes:
        matrix = torch.randn(size, size, generator=generator)
        calls = {name: (lambda norm=norm, matrix=matrix: norm(matrix)) for name, norm in world.norms.items()}
        peaks = {
            name: Observation(one_part(torch.no_grad()(call), nn.Identity(), matrix)).forward.peak_bytes()
            for name, call in calls.items()
        }
        timed = {
            name: time_calls(calls[names[0]], calls[name], lab, f"W9/{size}/{name}") for name in names[1:]
        }
        curves[names[0]].append((timed[names[1]].reference_seconds, peaks[names[0]]))
        for name, pair in timed.items():
            curves[name].append((pair.seconds, peaks[name]))
            numbers.append(ratio_number(f"{size} x {size}, {name}: time / {names[0]}", pair.judgement))
        numbers += [
            Number(name=f"{size} x {size}, {name}: peak", value=peak, unit="B")
            for name, peak in peaks.items()
        ]
    return Evidence(tuple(checks), tuple(numbers), (_norm_plot(sizes, curves),))


def _norm_plot(sizes: tuple[int, ...], curves: Mapping[str, list[tuple[float, float]]]) -> Plot:
    def panel(title: str, label: str, index: int, scale: float) -> Panel:
        series = tuple(
            Series(name=name, x=tuple(map(float, sizes)), y=tuple(row[index] * scale for row in rows))
            for name, rows in curves.items()
        )
        return Panel(
            title=title,
            x_label="rows and columns",
            y_label=label,
            x_scale="log",
            y_scale="log",
            series=series,
        )

    caption = (
        "Three ways to one number: the trace needs a matrix product, which grows with the cube of the size."
    )
    panels = (panel("time", "time of a call (us)", 0, 1e6), panel("memory", "peak (KiB)", 1, 1 / 1024))
    return Plot(name="W9", caption=caption, panels=panels)
