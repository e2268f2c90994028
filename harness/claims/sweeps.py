"""Claims about the strength of decay: its curve of errors, and how it is chosen."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim import SGD

from harness.claims.claim import Evidence, Lab, claim
from harness.claims.record import Check, Number, Panel, Plot, Series
from harness.claims.regression import (
    FitModel,
    MakeOptimizer,
    RegressionTask,
    book_data,
    diabetes_data,
    linear_data,
    ridge,
    sweep,
    train_by_sgd,
    validate_by_folds,
    validate_by_split,
)
from harness.claims.seeds import all_hold, band, is_lower, number, seed_ratio, share_at_least, words

STRENGTHS = (0.0, *(10.0**exponent for exponent in (-1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2, 2.5)))
RIDGE_STRENGTHS = tuple(10.0 ** (step / 2) for step in range(-4, 11))

Choose = Callable[[Tensor, Tensor], Tensor]


def _best(errors: Tensor) -> Tensor:
    """Return the place of the smallest validation error of every seed."""
    return errors.argmin(1)


@dataclass(frozen=True, slots=True)
class World:
    """What these claims run; by default the real torch.

    Attributes:
        sgd: makes the optimizer of the linear models.
        fit: a ridge fit of all seeds.
        choose: from validation and test errors [seed, strength] to the chosen place of every seed; what it
            really may look at are the validation errors.
    """

    sgd: MakeOptimizer = SGD
    fit: FitModel = ridge
    choose: Choose = lambda validation, _test: _best(validation)


@claim(
    "W5",
    "As the decay grows, test error first falls, then rises; training error only rises.",
    "The book's regression by SGD with ten strengths of decay; ridge with fifteen on random splits of "
    "scikit-learn's diabetes data (60 training examples, 65 inputs: ten and their products), on data without "
    "noise, and on noise alone with nothing to learn (60 examples, 20 inputs). The best strength is taken "
    "from half of the seeds; the rise on either side of it is tested on the others. Training error is "
    "compared from each strength to the next in every run.",
    needs=("sklearn",),
    is_sampled=True,
)
def error_against_decay(lab: Lab, world: World = World()) -> Evidence:
    """Sweep the strength of decay on four data sets."""
    book = book_data(lab.seeds, lab.seed)
    trained = train_by_sgd(book, STRENGTHS, lab.seed, world.sgd)
    train = torch.stack([2 * history.train[-1] for history in trained], 1)
    test = torch.stack([2 * history.test[-1] for history in trained], 1)
    real = diabetes_data(lab.seeds, lab.seed)
    results = {
        "the book's regression by SGD": (STRENGTHS, train, test, "weight decay"),
        "ridge on diabetes": _ridge_sweep(real, world.fit),
        "ridge without noise": _ridge_sweep(linear_data(lab.seeds, lab.seed, noise=0.0), world.fit),
        "ridge with nothing to learn": _ridge_sweep(linear_data(lab.seeds, lab.seed, signal=0.0), world.fit),
    }
    checks, numbers, panels = [], [], []
    for name, (strengths, training, testing, label) in results.items():
        more_checks, more_numbers = _shape(name, strengths, training, testing)
        checks += more_checks
        numbers += more_numbers
        panels.append(_sweep_panel(name, strengths, training, testing, label))
    apart = _against_sklearn(real, world.fit)
    checks.append(Check(says=f"ridge against scikit-learn's: weights {apart:.1e} apart", holds=apart <= 1e-9))  # noqa: PLR2004
    caption = f"Median and 5 to 95 % band of {lab.seeds} seeds; 0 is drawn at the left edge."
    return Evidence(
        tuple(checks), tuple(numbers), (Plot(name="W5", caption=caption, panels=tuple(panels), shared=False),)
    )


_RIDGE_LABEL = "lambda (added to X^T X)"


def _ridge_sweep(task: RegressionTask, fit: FitModel) -> tuple[Sequence[float], Tensor, Tensor, str]:
    return (RIDGE_STRENGTHS, *sweep(task, RIDGE_STRENGTHS, fit), _RIDGE_LABEL)


def _shape(
    name: str, strengths: Sequence[float], training: Tensor, testing: Tensor
) -> tuple[list[Check], list[Number]]:
    half = testing.shape[0] // 2
    best = int(testing[:half].median(0).values.argmin())
    others = testing[half:]
    falls, rises = (
        seed_ratio(others[:, best], others[:, 0]),
        seed_ratio(others[:, best], others[:, -1]),
    )
    # A fall is one by more than rounding: of an error, or of a weightless part of the targets' mean square.
    falls_at = training[:, 1:] < training[:, :-1] * (1 - 1e-9) - 1e-15
    fallen = int(falls_at.any(1).sum())
    middle = training.median(0).values
    steps = int((middle[1:] < middle[:-1] * (1 - 1e-9) - 1e-15).sum())
    checks = [
        Check(
            where="test error falls, then rises",
            place=name,
            says=f"{name}: lowest at {strengths[best]:.3g}; its test error is {words(falls)} "
            "of the weakest decay's and "
            f"{words(rises)} of the strongest's",
            holds=all_hold((is_lower(falls), is_lower(rises))),
        ),
        Check(
            where="training error only rises",
            place=name,
            says=f"{name}: training error falls somewhere in {fallen} of {len(training)} runs, its median "
            f"in {steps} of {len(strengths) - 1} steps to a stronger decay",
            holds=fallen == 0,
        ),
    ]
    numbers = [
        Number(name=f"{name}: best strength", value=strengths[best]),
        number(f"{name}: test error, best / weakest decay", falls, "ratio"),
        number(f"{name}: test error, best / strongest decay", rises, "ratio"),
        Number(name=f"{name}: runs in which training error falls", value=fallen, unit="1"),
    ]
    return checks, numbers


def _sweep_panel(
    name: str, strengths: Sequence[float], training: Tensor, testing: Tensor, label: str
) -> Panel:
    # A log axis has no 0: it is put half a decade left of the smallest strength.
    x = tuple(strength or strengths[1] / 10**0.5 for strength in strengths)
    series = []
    for kind, errors in (("test", testing), ("training", training)):
        low, middle, high = band(errors)
        series.append(Series(name=kind, x=x, y=middle, low=low, high=high))
    return Panel(
        title=name,
        x_label=label,
        y_label="mean square error",
        x_scale="log",
        y_scale="log",
        series=tuple(series),
    )


def _against_sklearn(task: RegressionTask, fit: FitModel) -> float:
    from sklearn.linear_model import Ridge

    strength = 10.0
    weights, _ = fit(task.x[:1], task.y[:1], strength)
    reference = Ridge(alpha=strength, solver="cholesky").fit(task.x[0].numpy(), task.y[0].numpy())
    return float((weights[0] - torch.as_tensor(reference.coef_)).abs().max())


@claim(
    "W6",
    "The decay chosen on a validation set is not always the best one.",
    "Ridge on the book's data and on diabetes: the strength chosen on a fifth of the "
    "training data and by 5 folds, "
    "refitted on all of it, against the strength that is best on the test set; the folds' "
    "choice is checked against "
    "scikit-learn's RidgeCV.",
    needs=("sklearn",),
)
def chosen_is_not_best(lab: Lab, world: World = World()) -> Evidence:
    """Choose the strength by one split and by folds; compare with the best on the test set."""
    checks, numbers, panels = [], [], []
    tasks = {
        "the book's data": book_data(lab.seeds, lab.seed),
        "diabetes": diabetes_data(lab.seeds, lab.seed),
    }
    for name, task in tasks.items():
        test = sweep(task, RIDGE_STRENGTHS, world.fit)[1]
        best = test.min(1).values
        series = []
        excesses = {}
        for way, validate in (("one split", validate_by_split), ("5 folds", validate_by_folds)):
            chosen = world.choose(validate(task, RIDGE_STRENGTHS, world.fit), test)
            excess = test.gather(1, chosen.unsqueeze(1)).squeeze(1) / best
            excesses[way] = excess
            missed = int((excess > 1).sum())
            share = share_at_least(missed, task.seeds)
            checks.append(
                Check(
                    says=f"{name}, {way}: not the best for {missed} of {task.seeds} seeds; the test error is "
                    f"{float(excess.median()):.3f} times the best at the median, "
                    f"{float(excess.quantile(0.9)):.3f} at 90 %",
                    holds=share > 0,
                )
            )
            numbers.append(
                number(
                    f"{name}, {way}: test error / best",
                    seed_ratio(excess, torch.ones_like(excess)),
                    "ratio",
                )
            )
            numbers.append(
                Number(
                    name=f"{name}, {way}: share not the best",
                    value=missed / task.seeds,
                    low=share,
                    unit="share",
                )
            )
            ordered = tuple(excess.sort().values.tolist())
            shares = tuple(100 * (rank + 1) / len(ordered) for rank in range(len(ordered)))
            series.append(Series(name=way, x=ordered, y=shares))
        both = seed_ratio(excesses["5 folds"], excesses["one split"])
        numbers.append(number(f"{name}: test error, 5 folds / one split", both, "ratio"))
        panels.append(
            Panel(
                title=name,
                x_label="test error / best test error",
                y_label="seeds (%)",
                x_scale="log",
                series=tuple(series),
            )
        )
    same, tried = _same_choices(tasks["diabetes"], world)
    checks.append(
        Check(says=f"5 folds choose what RidgeCV chooses for {same} of {tried} seeds", holds=same == tried)
    )
    caption = (
        "Share of seeds whose chosen strength costs at most so much test error; a "
        "curve further left is better."
    )
    return Evidence(tuple(checks), tuple(numbers), (Plot(name="W6", caption=caption, panels=tuple(panels)),))


def _same_choices(task: RegressionTask, world: World, tried: int = 8) -> tuple[int, int]:
    from sklearn.linear_model import RidgeCV
    from sklearn.model_selection import KFold

    ours = _best(validate_by_folds(task, RIDGE_STRENGTHS, world.fit))
    tried = min(tried, task.seeds)
    same = 0
    for seed in range(tried):
        search = RidgeCV(alphas=RIDGE_STRENGTHS, cv=KFold(5), scoring="neg_mean_squared_error")
        search.fit(task.x[seed].numpy(), task.y[seed].numpy())
        same += int(search.alpha_ == RIDGE_STRENGTHS[int(ours[seed])])
    return same, tried
