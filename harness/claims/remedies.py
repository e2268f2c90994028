"""Claims about remedies for overfitting, all on one data set: what each gains, and what it costs a step."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch.nn import functional

from harness.claims.claim import Evidence, Lab, Section, claim
from harness.claims.costs import cost_of
from harness.claims.gains import GAIN, overview
from harness.claims.perceptron import (
    HIDDEN_WIDTH,
    PILOT,
    TRAIN,
    Network,
    Penalty,
    TensorChange,
    friedman_data,
    train_network,
)
from harness.claims.record import Check, Number
from harness.claims.regression import RegressionTask
from harness.claims.seeds import Estimate, is_lower, number, seed_ratio, words

HELD_OUT = 10  # examples that early stopping takes from the 40
_MEMBERS = 5
MORE = 4  # times as many examples
_METHOD = (
    "A perceptron (10-48-48-1, AdamW) on 40 examples of Friedman's first problem with noise "
    "of standard deviation "
    "3; test error on 400 examples against doing nothing, paired by seed. Strengths are "
    "chosen on seeds of their own."
)


def _noise(strength: float) -> TensorChange:
    return lambda x: x + strength * torch.randn_like(x)


def _drop(rate: float) -> TensorChange:
    return lambda x: functional.dropout(x, rate)


def _l1(strength: float) -> Penalty:
    return lambda network: strength * torch.stack([w.abs().sum() for w in network.weights.values()]).sum()


def _l2(strength: float) -> Penalty:
    return lambda network: (
        strength / 2 * torch.stack([w.square().sum() for w in network.weights.values()]).sum()
    )


@dataclass(frozen=True, slots=True)
class World:
    """What these claims run; by default the real remedies.

    Attributes:
        stop: from held-out errors [look, seed] to the look at which each seed stops.
        augment: noise of a strength, added to the inputs.
        dropout: hidden values dropped at a rate.
        dropconnect: weights dropped at a rate.
        l1: the penalty of a strength.
        l2: the penalty of a strength.
        combine: predictions [member, seed, example] as one prediction.
        collect: the number of training examples, where many were asked for.
        resize: the width, where one was chosen.
    """

    stop: Callable[[torch.Tensor], torch.Tensor] = lambda errors: errors.argmin(0)
    augment: Callable[[float], TensorChange] = _noise
    dropout: Callable[[float], TensorChange] = _drop
    dropconnect: Callable[[float], TensorChange] = _drop
    l1: Callable[[float], Penalty] = _l1
    l2: Callable[[float], Penalty] = _l2
    combine: Callable[[torch.Tensor], torch.Tensor] = lambda predictions: predictions.mean(0)
    collect: Callable[[int], int] = lambda examples: examples
    resize: Callable[[int], int] = lambda width: width


@dataclass(frozen=True, slots=True)
class _Arena:
    """The data of some seeds, and what doing nothing gives there."""

    seeds: int
    seed: int
    epochs: int

    @property
    def task(self) -> RegressionTask:
        return friedman_data(self.seeds, self.seed)

    def error(
        self, change: Callable[[Network], Network] = lambda network: network, penalty: Penalty | None = None
    ) -> torch.Tensor:
        """Return the test error of every seed after training."""
        torch.manual_seed(self.seed)  # of the masks and the noise
        network = change(Network.build(self.seeds, self.seed))
        return train_network(network, self.task, self.seed, epochs=self.epochs, penalty=penalty).test[-1]


def _arenas(lab: Lab) -> tuple[_Arena, _Arena]:
    return (
        _Arena(lab.seeds, lab.seed, lab.epochs),
        _Arena(max(8, lab.seeds // 4), lab.seed + PILOT, lab.epochs),
    )


Try = Callable[[_Arena, float], torch.Tensor]


def _tuned(lab: Lab, strengths: Sequence[float], attempt: Try) -> tuple[float, Estimate]:
    """Choose a strength on seeds of their own; return it, and its gain on the others."""
    arena, pilot = _arenas(lab)
    tried = {strength: float(attempt(pilot, strength).median()) for strength in strengths}
    best = min(tried, key=tried.__getitem__)
    return best, seed_ratio(attempt(arena, best), arena.error())


def _evidence(lab: Lab, remedy: str, gain: Estimate, *more: Number) -> Evidence:
    check = Check(
        says=f"test error / doing nothing {words(gain)} over {gain.seeds} seeds", holds=is_lower(gain)
    )
    return Evidence((check,), (number(GAIN, gain, "ratio"), *more, *cost_of(remedy, lab)))


def _train_and_stop(arena: _Arena, world: World, *, extra: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the test error where training was stopped, and the epochs until then, of every seed."""
    task = friedman_data(arena.seeds, arena.seed, TRAIN + HELD_OUT if extra else TRAIN)
    count = task.x.shape[1] - HELD_OUT
    part = replace(task, x=task.x[:, :count], y=task.y[:, :count])
    held_out = replace(task, test_x=task.x[:, count:], test_y=task.y[:, count:])
    network = Network.build(arena.seeds, arena.seed)
    history = train_network(network, part, arena.seed, epochs=arena.epochs, held_out=held_out, every=1)
    epoch = world.stop(history.train)
    return history.test.gather(0, epoch.unsqueeze(0)).squeeze(0), epoch + 1


@claim(
    "O1",
    "Early stopping is a remedy for overfitting.",
    _METHOD
    + f" Training stops where the error on {HELD_OUT} held-out examples was least; they are taken from the "
    "40, or come beside them.",
)
def early_stopping(lab: Lab, world: World = World()) -> Evidence:
    """Stop each seed where its held-out error is least."""
    arena, _ = _arenas(lab)
    nothing = arena.error()
    checks, numbers = [], []
    for where, extra in (
        ("held-out examples beside the 40", True),
        ("held-out examples taken from the 40", False),
    ):
        stopped, epochs = _train_and_stop(arena, world, extra=extra)
        gain = seed_ratio(stopped, nothing)
        says = f"{where}: test error / doing nothing {words(gain)} over {gain.seeds} seeds"
        checks.append(Check(where=where, says=says, holds=is_lower(gain)))
        numbers.append(number(GAIN if extra else f"{where}: {GAIN}", gain, "ratio"))
        numbers.append(
            Number(
                name=f"{where}: epochs until stopped, median of at most {arena.epochs}",
                value=float(epochs.median()),
                unit="1",
            )
        )
    return Evidence(tuple(checks), (*numbers, *cost_of("early stopping", lab)))


@claim(
    "O2",
    "Data augmentation is a remedy for overfitting.",
    _METHOD + " Fresh Gaussian noise is added to the inputs.",
)
def augmentation(lab: Lab, world: World = World()) -> Evidence:
    """Add noise to the inputs."""
    best, gain = _tuned(
        lab,
        (0.05, 0.1, 0.3, 0.6),
        lambda arena, strength: arena.error(
            lambda network: replace(network, augment=world.augment(strength))
        ),
    )
    return _evidence(lab, "augmentation", gain, Number(name="standard deviation of the noise", value=best))


@claim("O3", "Dropout is a remedy for overfitting.", _METHOD)
def dropout(lab: Lab, world: World = World()) -> Evidence:
    """Drop hidden values."""
    best, gain = _tuned(
        lab,
        (0.2, 0.4, 0.6),
        lambda arena, rate: arena.error(lambda network: replace(network, drop=world.dropout(rate))),
    )
    return _evidence(lab, "dropout", gain, Number(name="rate", value=best))


@claim("O4", "L1 and L2 penalties are remedies for overfitting.", _METHOD)
def penalties(lab: Lab, world: World = World()) -> Evidence:
    """Add each penalty to the loss."""
    checks, numbers = [], []
    settings = {
        "L1": ((0.01, 0.03, 0.06, 0.1), world.l1),
        "L2": ((0.03, 0.1, 0.3, 1.0), world.l2),
    }
    for name, (strengths, penalty) in settings.items():

        def attempt(
            arena: _Arena, strength: float, penalty: Callable[[float], Penalty] = penalty
        ) -> torch.Tensor:
            return arena.error(penalty=penalty(strength))

        best, gain = _tuned(lab, strengths, attempt)
        says = f"{name}: test error / doing nothing {words(gain)} over {gain.seeds} seeds"
        checks.append(Check(where=name, says=says, holds=is_lower(gain)))
        numbers += [number(f"{name}: {GAIN}", gain, "ratio"), Number(name=f"{name}: strength", value=best)]
        numbers += cost_of(name, lab, prefix=f"{name}: ")
    return Evidence(tuple(checks), tuple(numbers))


@claim(
    "O5",
    "Ensembles are a remedy for overfitting.",
    _METHOD + f" The predictions of {_MEMBERS} networks are averaged.",
)
def ensembles(lab: Lab, world: World = World()) -> Evidence:
    """Average networks that differ in their initial weights and in the order of their examples."""
    arena, _ = _arenas(lab)
    task, predictions = arena.task, []
    for member in range(_MEMBERS):
        network = Network.build(arena.seeds, arena.seed + 100 * member)
        train_network(network, task, arena.seed + 100 * member, epochs=arena.epochs)
        with torch.no_grad():
            predictions.append(network.predict(task.test_x))
    errors = (world.combine(torch.stack(predictions)) - task.test_y).square().mean(1)
    # Doing nothing is the first member: the same weights, in the same order.
    alone = (predictions[0] - task.test_y).square().mean(1)
    return _evidence(
        lab, "ensemble", seed_ratio(errors, alone), Number(name="members", value=_MEMBERS, unit="1")
    )


@claim("O6", "DropConnect is a remedy for overfitting.", _METHOD)
def dropconnect(lab: Lab, world: World = World()) -> Evidence:
    """Drop weights."""
    best, gain = _tuned(
        lab,
        (0.2, 0.4, 0.6),
        lambda arena, rate: arena.error(lambda network: replace(network, thin=world.dropconnect(rate))),
    )
    return _evidence(lab, "DropConnect", gain, Number(name="rate", value=best))


@claim(
    "O7",
    "More training data is a remedy for overfitting.",
    _METHOD + f" There are {MORE} times as many examples, in as many steps.",
)
def more_data(lab: Lab, world: World = World()) -> Evidence:
    """Train on more examples, in as many steps."""
    arena, _ = _arenas(lab)
    examples = world.collect(MORE * TRAIN)
    task = friedman_data(arena.seeds, arena.seed, examples)
    network = Network.build(arena.seeds, arena.seed)
    epochs = max(1, arena.epochs * TRAIN // examples)
    errors = train_network(network, task, arena.seed, epochs=epochs).test[-1]
    gain = seed_ratio(errors, arena.error())
    return _evidence(lab, "more data", gain, Number(name="training examples", value=examples, unit="1"))


@claim(
    "O8",
    "A model of fitting size is a remedy for overfitting.",
    _METHOD + f" The width {HIDDEN_WIDTH} is replaced by the best of five smaller ones; 0 is a linear model.",
)
def fitting_size(lab: Lab, world: World = World()) -> Evidence:
    """Choose a smaller network."""
    best, gain = _tuned(
        lab,
        (0, 4, 8, 16, 32),
        lambda arena, width: arena.error(
            lambda _: Network.build(arena.seeds, arena.seed, world.resize(int(width)))
        ),
    )
    return _evidence(lab, f"width {int(best)}", gain, Number(name="width chosen", value=best, unit="1"))


CLAIMS = (
    early_stopping,
    augmentation,
    dropout,
    penalties,
    ensembles,
    dropconnect,
    more_data,
    fitting_size,
)
SECTION = Section("Remedies for overfitting", CLAIMS, overview)
