"""The claim about priors: the mode of the posterior is the penalised fit."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.distributions import Distribution, Laplace, Normal
from torch.optim import SGD

from harness.claims.claim import Evidence, Lab, Section, claim
from harness.claims.differentiation import TOLERANCE, relative_error
from harness.claims.record import Check, Number
from harness.claims.regression import MakeOptimizer, lasso

LogPrior = Callable[[torch.Tensor, float], torch.Tensor]
_NOISE, _SIGMA = 0.5, 0.3  # standard deviations of the noise and of the prior
_EXAMPLES, _INPUTS = 60, 8
_LASSO_TOLERANCE = 1e-9


def _normal(weights: torch.Tensor, sigma: float) -> torch.Tensor:
    return _log_density(Normal(_exact(0.0), _exact(sigma)), weights)


def _log_density(distribution: Distribution, values: torch.Tensor) -> torch.Tensor:
    total: torch.Tensor = distribution.log_prob(values).sum()
    return total


def _exact(value: float) -> torch.Tensor:
    """Return a number in float64; distributions take plain numbers in the default dtype."""
    return torch.tensor(value, dtype=torch.float64)


@dataclass(frozen=True, slots=True)
class World:
    """What this claim runs; by default the real torch."""

    log_prior: LogPrior = _normal
    sgd: MakeOptimizer = SGD


@claim(
    "B1",
    "A Gaussian prior N(0, sigma^2 I) on w makes the posterior's mode the L2-penalised fit.",
    "A linear model with 60 examples, 8 inputs and Gaussian noise, in float64. The mode, "
    "found by Newton steps on "
    "the log posterior by autograd, against ridge in closed form with lambda = noise "
    "variance / sigma^2, against "
    "scikit-learn's Ridge, and against the end of gradient descent with weight_decay = "
    "lambda / n; the posterior's "
    "mean and covariance; and a Laplace prior against the Lasso.",
    needs=("sklearn",),
)
def mode_is_ridge(lab: Lab, world: World = World()) -> Evidence:
    """Find the mode in several ways, and compare."""
    from sklearn.linear_model import Lasso, Ridge

    generator = torch.Generator().manual_seed(lab.seed)
    x = torch.randn(_EXAMPLES, _INPUTS, generator=generator, dtype=torch.float64)
    truth = _SIGMA * torch.randn(_INPUTS, generator=generator, dtype=torch.float64)
    y = x @ truth + _NOISE * torch.randn(_EXAMPLES, generator=generator, dtype=torch.float64)
    strength = _NOISE**2 / _SIGMA**2

    def negative_log_posterior(weights: torch.Tensor) -> torch.Tensor:
        return -_log_density(Normal(x @ weights, _exact(_NOISE)), y) - world.log_prior(weights, _SIGMA)

    mode, hessian = _newton(negative_log_posterior)
    eye = torch.eye(_INPUTS, dtype=torch.float64)
    closed = torch.linalg.solve(x.mT @ x + strength * eye, x.mT @ y)
    descended = _descend(x, y, strength / _EXAMPLES, world)
    reference = Ridge(alpha=strength, fit_intercept=False, solver="cholesky").fit(x.numpy(), y.numpy())
    covariance = torch.linalg.inv(x.mT @ x / _NOISE**2 + eye / _SIGMA**2)
    mean = covariance @ (x.mT @ y) / _NOISE**2
    errors = {
        "mode against ridge in closed form": relative_error(mode, closed),
        "mode against scikit-learn's Ridge": relative_error(mode, torch.as_tensor(reference.coef_)),
        "gradient descent with weight decay against the mode": relative_error(descended, mode),
        "mode against the posterior's mean in closed form": relative_error(mode, mean),
        "inverse Hessian at the mode against the covariance in closed form": relative_error(
            torch.linalg.inv(hessian), covariance
        ),
    }
    checks = [
        Check(says=f"{name}: {error:.1e} apart", holds=error <= TOLERANCE) for name, error in errors.items()
    ]
    # A Laplace prior of scale b has the log density -|w| / b: with noise variance s^2, lambda = s^2 / (b n).
    scale = _SIGMA / math.sqrt(2)  # the same variance as the Gaussian
    laplace = _NOISE**2 / (scale * _EXAMPLES)
    sparse = lasso(x.unsqueeze(0), y.unsqueeze(0), laplace)[0]
    fitted = Lasso(alpha=laplace, fit_intercept=False, tol=1e-14, max_iter=100_000).fit(x.numpy(), y.numpy())
    stationary = _worst_slope(x, y, sparse, scale)
    apart = relative_error(sparse, torch.as_tensor(fitted.coef_))
    checks.append(
        Check(
            says=f"Laplace prior: the Lasso's fit is {apart:.1e} from scikit-learn's, and the "
            "log posterior's slope "
            f"there is {stationary:.1e} outside what its kink allows",
            holds=apart <= _LASSO_TOLERANCE and stationary <= _LASSO_TOLERANCE,
        )
    )
    numbers = [Number(name=name, value=error) for name, error in errors.items()]
    numbers += [
        Number(name="lambda = noise variance / sigma^2", value=strength),
        Number(name="Laplace: fit against scikit-learn's Lasso", value=apart),
    ]
    return Evidence(tuple(checks), tuple(numbers))


def _newton(objective: Callable[[torch.Tensor], torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the minimum and the Hessian there; one step suffices for a quadratic, the others polish."""
    weights = torch.full((_INPUTS,), 0.1, dtype=torch.float64)
    for _ in range(4):
        hessian = torch.autograd.functional.hessian(objective, weights)  # type: ignore[no-untyped-call]
        at = weights.clone().requires_grad_()
        (slope,) = torch.autograd.grad(objective(at), at)
        weights = weights - torch.linalg.lstsq(hessian, slope).solution
    return weights, hessian


def _descend(x: torch.Tensor, y: torch.Tensor, decay: float, world: World) -> torch.Tensor:
    weights = torch.zeros(_INPUTS, dtype=torch.float64, requires_grad=True)
    optimizer = world.sgd([weights], lr=0.3, weight_decay=decay)
    for _ in range(500):
        optimizer.zero_grad()
        ((x @ weights - y).square().mean() / 2).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return weights.detach()


def _worst_slope(x: torch.Tensor, y: torch.Tensor, weights: torch.Tensor, scale: float) -> float:
    """Return how far the log posterior under a Laplace prior is from stationary, by autograd."""
    at = weights.clone().requires_grad_()
    likelihood = _log_density(Normal(x @ at, _exact(_NOISE)), y)
    prior = _log_density(Laplace(_exact(0.0), _exact(scale)), at)
    slope = torch.autograd.grad(likelihood + prior, at)[0]
    # At a kink the prior's slope is anything between -1/b and 1/b; autograd's is 0.
    allowed = torch.where(weights == 0, 1 / scale, 0.0)
    return float((slope.abs() - allowed).clamp(min=0).max() * scale)


SECTION = Section("Bayes", (mode_is_ridge,))
