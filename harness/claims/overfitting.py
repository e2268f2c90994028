"""Claims about weight decay on data: the experiment of the book, and which parameters are decayed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.optim import SGD

from harness.claims.claim import Evidence, Lab, claim
from harness.claims.gains import gain_plot
from harness.claims.perceptron import PILOT, Network, friedman_data, train_network
from harness.claims.record import Check, Number, Panel, Plot, Series
from harness.claims.regression import History, MakeOptimizer, book_data, train_by_sgd
from harness.claims.seeds import Estimate, all_hold, band, estimate, is_lower, number, seed_ratio, words
from harness.claims.timing import case_of, judged, measure_case, ratio_number, seconds
from harness.workload.questions import decay_groups

_EPOCHS = 100
_OVERFITTED = 10  # times as large a loss on test data as on training data
_NETWORK_STRENGTHS = (0.1, 0.3, 1.0, 3.0)

Groups = Callable[[Network, str, float], list[dict[str, Any]]]


def _groups(network: Network, policy: str, strength: float) -> list[dict[str, Any]]:
    """Return parameter groups: those that a policy decays, and the others."""
    decayed = set(network.weights if policy == "weights only" else network.parameters)
    groups = (
        ([tensor for name, tensor in network.parameters.items() if name in decayed], strength),
        ([tensor for name, tensor in network.parameters.items() if name not in decayed], 0.0),
    )
    return [{"params": tensors, "weight_decay": decay} for tensors, decay in groups if tensors]


@dataclass(frozen=True, slots=True)
class World:
    """What these claims run; by default the real torch.

    Attributes:
        sgd: makes the optimizer of the linear models.
        groups: parameter groups of a network under a policy, with a strength.
    """

    sgd: MakeOptimizer = SGD
    groups: Groups = _groups


@claim(
    "W4",
    "In the book's experiment a linear model without decay overfits; with wd = 3 its test "
    "loss falls and ||w|| shrinks.",
    "20 training and 100 test examples, 200 inputs, batches of 5, true weights 0.01, bias "
    "0.05, noise 0.01, half the "
    "squared error, SGD with learning rate 0.003, 100 epochs; every seed draws its own data "
    "and initial weights.",
)
def book_experiment(lab: Lab, world: World = World()) -> Evidence:
    """Train with and without decay; compare losses and norms at the end."""
    task = book_data(lab.seeds, lab.seed)
    free, decayed = train_by_sgd(task, (0.0, 3.0), lab.seed, world.sgd, epochs=_EPOCHS)
    histories = {0.0: free, 3.0: decayed}
    gap = seed_ratio(free.test[-1], free.train[-1])
    change = seed_ratio(decayed.test[-1], free.test[-1])
    shrunk = seed_ratio(decayed.norm[-1], decayed.norm[0])
    norm_ratio = seed_ratio(free.norm[-1], free.norm[0])
    checks = (
        Check(
            says=f"wd = 0: test loss / training loss at the end {words(gap)}, at least 10",
            holds=gap.low >= _OVERFITTED,
        ),
        Check(says=f"test loss with wd = 3 / without {words(change)}", holds=is_lower(change)),
        Check(says=f"||w|| at the end / at the start {words(shrunk)} with wd = 3", holds=shrunk.high < 0.5),  # noqa: PLR2004
    )
    numbers = (
        Number(name="seeds", value=lab.seeds, unit="1"),
        number("wd = 0: test / training loss", gap, "ratio"),
        number("test loss, wd = 3 / wd = 0", change, "ratio"),
        number("wd = 3: ||w|| end / start", shrunk, "ratio"),
        number("wd = 0: ||w|| end / start", norm_ratio, "ratio"),
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
    shrinking = []
    for decay, history in histories.items():
        low, middle, high = band(history.norm.T)
        shrinking.append(Series(name=f"||w||, wd = {decay:g}", x=epochs, y=middle, low=low, high=high))
    panels.append(
        Panel(title="the weights", x_label="epoch", y_label="||w||", y_scale="log", series=tuple(shrinking))
    )
    seeds = histories[0.0].train.shape[1]
    return Plot(name="W4", caption=f"Median and 5 to 95 % band of {seeds} seeds.", panels=tuple(panels))


@claim(
    "W11",
    "Decaying every parameter of every layer, biases and norms included, is a simple heuristic that works.",
    "A perceptron with layer normalisation on Friedman's first problem (40 training "
    "examples), AdamW with decay of "
    "nothing, of the weights, and of everything, each with the best of four strengths on "
    "seeds of its own; and the "
    "time of an optimizer step of a transformer with one group and with two.",
)
def decaying_everything(lab: Lab, world: World = World()) -> Evidence:
    """Compare test errors of three groupings, and price the groups."""

    def error(policy: str, strength: float, seeds: int, seed: int) -> Tensor:
        network = Network.build(seeds, seed, norms=True)
        groups = world.groups(network, policy, strength)
        return train_network(
            network, friedman_data(seeds, seed), seed, groups=groups, epochs=lab.epochs
        ).test[-1]

    pilot = max(8, lab.seeds // 4), lab.seed + PILOT
    errors = {"none": error("everything", 0.0, lab.seeds, lab.seed)}
    strengths = {}
    for policy in ("weights only", "everything"):
        tried = {strength: float(error(policy, strength, *pilot).median()) for strength in _NETWORK_STRENGTHS}
        strengths[policy] = min(tried, key=tried.__getitem__)
        errors[policy] = error(policy, strengths[policy], lab.seeds, lab.seed)
    works, against = (
        seed_ratio(errors["everything"], errors["none"]),
        seed_ratio(errors["everything"], errors["weights only"]),
    )
    alone = seed_ratio(errors["weights only"], errors["none"])
    rows = [
        ("everything / none", works),
        ("weights only / none", alone),
        ("everything / weights only", against),
    ]
    question = decay_groups.QUESTION
    arms = ("one group", "weights and biases")
    record = measure_case(question, case_of(question, "transformer", "train", "adamw-foreach"), arms, lab)
    two = record.arms[1]
    return Evidence(
        (
            Check(
                where="better than no decay",
                says=f"test error, everything / none {words(works)}",
                holds=is_lower(works),
            ),
            Check(
                where="as good as decaying the weights alone, and better than nothing",
                says=f"test error, everything / weights only {words(against)}",
                holds=all_hold((is_lower(works), _no_worse(against))),
            ),
        ),
        (
            *(Number(name=f"decay of {policy}", value=strength) for policy, strength in strengths.items()),
            number("test error, everything / none", works, "ratio"),
            number("test error, everything / weights only", against, "ratio"),
            number("test error, weights only / none", alone, "ratio"),
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
        (gain_plot("W11", rows, "test error, ratio"),),
    )


def _no_worse(change: Estimate) -> bool | None:
    if change.high <= 1.01:  # noqa: PLR2004 (1 % counts as equal)
        return True
    return False if change.low > 1 else None
