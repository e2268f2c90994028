"""Claims about weight decay on data: what it does to test error, how it is chosen, and which parameters get it."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.optim import SGD

from harness.claims.claim import Evidence, Lab, claim
from harness.claims.perceptron import PILOT, Network, friedman_data, train_network
from harness.claims.regression import (
    Fit,
    History,
    MakeOptimizer,
    Task,
    book_data,
    diabetes_data,
    ridge,
    sweep,
    train_by_sgd,
    validate_by_folds,
    validate_by_split,
)
from harness.claims.seeds import Estimate, band, estimate, is_lower, ratio, share_at_least
from harness.claims.timing import case_of, judged, measure_case, ratio_number, seconds
from harness.record.claims import Check, Number, Panel, Plot, Series
from harness.workload.questions import decay_groups

_EPOCHS = 100
STRENGTHS = (0.0, *(10.0**exponent for exponent in (-1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2, 2.5)))
RIDGE_STRENGTHS = tuple(10.0 ** (step / 2) for step in range(-4, 11))


def _best(errors: torch.Tensor) -> torch.Tensor:
    """Return the place of the smallest validation error of every seed."""
    return errors.argmin(1)


Choose = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
Groups = Callable[[Network, str, float], list[dict[str, object]]]


def _groups(network: Network, policy: str, strength: float) -> list[dict[str, object]]:
    """Return parameter groups: those that a policy decays, and the others."""
    decayed = set(network.weights if policy == "weights only" else network.parameters)
    groups = (
        ([tensor for name, tensor in network.parameters.items() if name in decayed], strength),
        ([tensor for name, tensor in network.parameters.items() if name not in decayed], 0.0),
    )
    return [{"params": tensors, "weight_decay": decay} for tensors, decay in groups if tensors]


_NETWORK_STRENGTHS = (0.1, 0.3, 1.0, 3.0)


@dataclass(frozen=True, slots=True)
class World:
    """What these claims run; by default the real torch.

    Attributes:
        sgd: makes the optimizer of the linear models.
        fit: a ridge fit of all seeds.
        choose: from validation and test errors [seed, strength] to the chosen place of every seed; what it
            really may look at are the validation errors.
        groups: parameter groups of a network under a policy.
    """

    sgd: MakeOptimizer = SGD
    fit: Fit = ridge
    choose: Choose = lambda validation, _test: _best(validation)
    groups: Groups = _groups


def number(name: str, found: Estimate, unit: str = "") -> Number:
    """Return an estimate as a number with its interval."""
    return Number(name=name, value=found.value, low=found.low, high=found.high, unit=unit)


def words(found: Estimate) -> str:
    """Return an estimate with its interval, as in "0.50 [0.45, 0.55]"."""
    return f"{found.value:.3g} [{found.low:.3g}, {found.high:.3g}]"


@claim(
    "W4",
    "In the book's experiment a linear model without decay overfits; with wd = 3 its test loss falls and ||w|| shrinks.",
    "20 training and 100 test examples, 200 inputs, batches of 5, true weights 0.01, bias 0.05, noise 0.01, half the "
    "squared error, SGD with learning rate 0.003, 100 epochs; every seed draws its own data and initial weights.",
)
def book_experiment(lab: Lab, world: World = World()) -> Evidence:  # noqa: B008 (frozen)
    """Train with and without decay; compare losses and norms at the end."""
    task = book_data(lab.seeds, lab.seed)
    histories = {
        decay: train_by_sgd(task, decay, lab.seed, world.sgd, epochs=_EPOCHS) for decay in (0.0, 3.0)
    }
    free, decayed = histories[0.0], histories[3.0]
    gap = ratio(free.test[-1], free.train[-1])
    change = ratio(decayed.test[-1], free.test[-1])
    shrunk = ratio(decayed.norm[-1], decayed.norm[0])
    kept = ratio(free.norm[-1], free.norm[0])
    checks = (
        Check(
            says=f"wd = 0: test loss / training loss at the end {words(gap)}, at least 10",
            holds=gap.low >= 10,
        ),  # noqa: PLR2004
        Check(says=f"test loss with wd = 3 / without {words(change)}", holds=is_lower(change)),
        Check(says=f"||w|| at the end / at the start {words(shrunk)} with wd = 3", holds=shrunk.high < 0.5),  # noqa: PLR2004
    )
    numbers = (
        Number(name="seeds", value=lab.seeds, unit="1"),
        number("wd = 0: test / training loss", gap, "ratio"),
        number("test loss, wd = 3 / wd = 0", change, "ratio"),
        number("wd = 3: ||w|| end / start", shrunk, "ratio"),
        number("wd = 0: ||w|| end / start", kept, "ratio"),
        *(
            number(f"wd = {decay:g}: {name} loss at the end", estimate(getattr(history, name)[-1]))
            for decay, history in histories.items()
            for name in ("train", "test")
        ),
    )
    return Evidence(checks, numbers, (_curves(histories),))


def _curves(histories: dict[float, History]) -> Plot:
    epochs = tuple(float(epoch) for epoch in range(_EPOCHS + 1))
    panels = []
    for decay, history in histories.items():
        series = []
        for name, rows in (("test", history.test), ("training", history.train)):
            low, middle, high = band(rows.T)
            series.append(Series(name=name, x=epochs, y=middle, low=low, high=high))
        title = "without decay" if decay == 0 else f"with wd = {decay:g}"
        panels.append(
            Panel(
                title=title,
                x_label="epoch",
                y_label="half the mean square",
                y_scale="log",
                series=tuple(series),
            )
        )
    seeds = histories[0.0].train.shape[1]
    return Plot(name="W4", caption=f"Median and 5 to 95 % band of {seeds} seeds.", panels=tuple(panels))


@claim(
    "W5",
    "As the decay grows, test error first falls, then rises; training error only rises.",
    "The book's regression by SGD with ten strengths of decay, and ridge on random splits of scikit-learn's diabetes "
    "data (60 training examples, 65 inputs: ten and their products) with fifteen. The best strength is taken from "
    "half of the seeds; the rise on either side of it is tested on the others.",
    needs=("sklearn",),
)
def error_against_decay(lab: Lab, world: World = World()) -> Evidence:  # noqa: B008
    """Sweep the strength of decay on two data sets."""
    book = book_data(lab.seeds, lab.seed)
    trained = [train_by_sgd(book, strength, lab.seed, world.sgd) for strength in STRENGTHS]
    train = torch.stack([2 * history.train[-1] for history in trained], 1)
    test = torch.stack([2 * history.test[-1] for history in trained], 1)
    real = diabetes_data(lab.seeds, lab.seed)
    found = {
        "the book's regression, SGD": (STRENGTHS, train, test, "weight decay"),
        "diabetes, ridge": (
            RIDGE_STRENGTHS,
            *sweep(real.x, real.y, real.test_x, real.test_y, RIDGE_STRENGTHS, world.fit),
            "lambda (added to X^T X)",
        ),
    }
    checks, numbers, panels = [], [], []
    for name, (strengths, training, testing, label) in found.items():
        more_checks, more_numbers = _shape(name, strengths, training, testing)
        checks += more_checks
        numbers += more_numbers
        panels.append(_sweep_panel(name, strengths, training, testing, label))
    apart = _against_sklearn(real, world.fit)
    checks.append(Check(says=f"ridge against scikit-learn's: weights {apart:.1e} apart", holds=apart <= 1e-9))  # noqa: PLR2004
    caption = f"Median and 5 to 95 % band of {lab.seeds} seeds; 0 is drawn at the left edge."
    return Evidence(tuple(checks), tuple(numbers), (Plot(name="W5", caption=caption, panels=tuple(panels)),))


def _shape(
    name: str, strengths: tuple[float, ...], training: torch.Tensor, testing: torch.Tensor
) -> tuple[list[Check], list[Number]]:
    half = testing.shape[0] // 2
    best = int(testing[:half].median(0).values.argmin())
    others = testing[half:]
    falls, rises = ratio(others[:, best], others[:, 0]), ratio(others[:, best], others[:, -1])
    steps = [ratio(training[:, place], training[:, place + 1]) for place in range(len(strengths) - 1)]
    # A fall is a median ratio above 1 by more than rounding, seen with confidence.
    fallen = sum(step.low > 1 + 1e-9 for step in steps)
    checks = [
        Check(
            where=name + ": test error falls, then rises",
            says=f"{name}: lowest at {strengths[best]:.3g}; its test error is {words(falls)} of the weakest decay's and "
            f"{words(rises)} of the strongest's",
            holds=_all((is_lower(falls), is_lower(rises))),
        ),
        Check(
            where=name + ": training error only rises",
            says=f"{name}: training error falls in {fallen} of {len(steps)} steps to a stronger decay",
            holds=fallen == 0,
        ),
    ]
    numbers = [
        Number(name=f"{name}: best strength", value=strengths[best]),
        number(f"{name}: test error, best / weakest decay", falls, "ratio"),
        number(f"{name}: test error, best / strongest decay", rises, "ratio"),
        Number(name=f"{name}: steps in which training error falls", value=fallen, unit="1"),
    ]
    return checks, numbers


def _all(answers: tuple[bool | None, ...]) -> bool | None:
    return False if False in answers else None if None in answers else True


def _sweep_panel(
    name: str, strengths: tuple[float, ...], training: torch.Tensor, testing: torch.Tensor, label: str
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


def _against_sklearn(task: Task, fit: Fit) -> float:
    from sklearn.linear_model import Ridge

    strength = 10.0
    weights, _ = fit(task.x[:1], task.y[:1], strength)
    reference = Ridge(alpha=strength, solver="cholesky").fit(task.x[0].numpy(), task.y[0].numpy())
    return float((weights[0] - torch.as_tensor(reference.coef_)).abs().max())


@claim(
    "W6",
    "The decay chosen on a validation set is not always the best one.",
    "Ridge on the book's data and on diabetes: the strength chosen on a fifth of the training data and by 5 folds, "
    "refitted on all of it, against the strength that is best on the test set; the folds' choice is checked against "
    "scikit-learn's RidgeCV.",
    needs=("sklearn",),
)
def chosen_is_not_best(lab: Lab, world: World = World()) -> Evidence:  # noqa: B008
    """Choose the strength by one split and by folds; compare with the best on the test set."""
    checks, numbers, panels = [], [], []
    tasks = {
        "the book's data": book_data(lab.seeds, lab.seed),
        "diabetes": diabetes_data(lab.seeds, lab.seed),
    }
    for name, task in tasks.items():
        test = sweep(task.x, task.y, task.test_x, task.test_y, RIDGE_STRENGTHS, world.fit)[1]
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
                    f"{float(excess.median()):.3f} times the best at the median, {float(excess.quantile(0.9)):.3f} at 90 %",
                    holds=share > 0,
                )
            )
            numbers.append(
                number(f"{name}, {way}: test error / best", ratio(excess, torch.ones_like(excess)), "ratio")
            )
            numbers.append(
                Number(
                    name=f"{name}, {way}: share not the best",
                    value=missed / task.seeds,
                    low=share,
                    unit="share",
                )
            )
            ordered = tuple(((excess.sort().values - 1) * 100).tolist())
            shares = tuple(100 * (place + 1) / len(ordered) for place in range(len(ordered)))
            series.append(Series(name=way, x=ordered, y=shares))
        both = ratio(excesses["5 folds"], excesses["one split"])
        numbers.append(number(f"{name}: test error, 5 folds / one split", both, "ratio"))
        panels.append(
            Panel(
                title=name, x_label="test error above the best (%)", y_label="seeds (%)", series=tuple(series)
            )
        )
    same, tried = _same_choices(tasks["diabetes"], world)
    checks.append(
        Check(says=f"5 folds choose what RidgeCV chooses for {same} of {tried} seeds", holds=same == tried)
    )
    caption = "Share of seeds whose chosen strength costs at most so much test error; a curve further left is better."
    return Evidence(tuple(checks), tuple(numbers), (Plot(name="W6", caption=caption, panels=tuple(panels)),))


def _same_choices(task: Task, world: World, tried: int = 8) -> tuple[int, int]:
    from sklearn.linear_model import RidgeCV
    from sklearn.model_selection import KFold

    ours = _best(validate_by_folds(task, RIDGE_STRENGTHS, world.fit))
    tried = min(tried, task.seeds)
    same = 0
    for seed in range(tried):
        search = RidgeCV(alphas=RIDGE_STRENGTHS, cv=KFold(5), scoring="neg_mean_squared_error")
        search.fit(task.x[seed].numpy(), task.y[seed].numpy())
        same += search.alpha_ == RIDGE_STRENGTHS[int(ours[seed])]
    return same, tried


@claim(
    "W11",
    "Decaying every parameter of every layer, biases and norms included, is a simple heuristic that works.",
    "A perceptron with layer normalisation on Friedman's first problem (40 training examples), AdamW with decay of "
    "nothing, of the weights, and of everything, each with the best of four strengths on seeds of its own; and the "
    "time of an optimizer step of a transformer with one group and with two.",
)
def decaying_everything(lab: Lab, world: World = World()) -> Evidence:  # noqa: B008
    """Compare test errors of three groupings, and price the groups."""


    def error(policy: str, strength: float, seeds: int, seed: int) -> torch.Tensor:
        network = Network.build(seeds, seed, norms=True)
        groups = world.groups(network, policy, strength)
        return train_network(network, friedman_data(seeds, seed), seed, groups=groups).test[-1]

    pilot = max(8, lab.seeds // 4), lab.seed + PILOT
    errors = {"none": error("everything", 0.0, lab.seeds, lab.seed)}
    strengths = {}
    for policy in ("weights only", "everything"):
        tried = {strength: float(error(policy, strength, *pilot).median()) for strength in _NETWORK_STRENGTHS}
        strengths[policy] = min(tried, key=tried.__getitem__)
        errors[policy] = error(policy, strengths[policy], lab.seeds, lab.seed)
    works, against = (
        ratio(errors["everything"], errors["none"]),
        ratio(errors["everything"], errors["weights only"]),
    )
    question = decay_groups.QUESTION
    arms = ("one group", "weights and biases")
    record = measure_case(question, case_of(question, "transformer", "train", "adamw-foreach"), arms, lab)
    two = record.arms[1]
    return Evidence(
        (
            Check(
                where="against no decay",
                says=f"test error, everything / none {words(works)}",
                holds=is_lower(works),
            ),
            Check(
                where="no worse than decaying the weights alone",
                says=f"test error, everything / weights only {words(against)}",
                holds=_no_worse(against),
            ),
        ),
        (
            *(Number(name=f"decay of {policy}", value=strength) for policy, strength in strengths.items()),
            number("test error, everything / none", works, "ratio"),
            number("test error, everything / weights only", against, "ratio"),
            number("test error, weights only / none", ratio(errors["weights only"], errors["none"]), "ratio"),
            Number(
                name="optimizer step, one group", value=seconds(record.arms[0], "optimizer time"), unit="s"
            ),
            ratio_number("optimizer step, two groups / one", judged([two], "optimizer time")[0]),
            *(
                Number(
                    name=f"temporary bytes of the optimizer, {arm.arm}",
                    value=arm.counts["optimizer temporary"],
                    unit="B",
                )
                for arm in record.arms
            ),
        ),
    )


def _no_worse(change: Estimate) -> bool | None:
    if change.high <= 1.01:  # noqa: PLR2004 (1 % is none)
        return True
    return False if change.low > 1 else None
