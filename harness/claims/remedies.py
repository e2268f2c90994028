"""Claims about remedies for overfitting, on three data sets: what each gains, and what it costs a step."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch.nn import functional

from harness.claims.claim import Evidence, Lab, Section, claim
from harness.claims.gains import overview
from harness.claims.perceptron import HIDDEN_WIDTH, TRAIN, Penalty, TensorChange, train_network
from harness.claims.record import Number
from harness.claims.seeds import seed_ratio
from harness.claims.trials import Gain, Try, arenas, doing_nothing, evidence_of, tuned

HELD_OUT = 10  # examples that early stopping takes from the 40
_MEMBERS = 5
MORE = 4  # times as many examples
_METHOD = (
    "A perceptron (two hidden layers of 48, AdamW) on 40 examples of Friedman's first problem with noise of "
    "standard deviation 3, of scikit-learn's diabetes and of its breast cancer data, whose labels are fitted "
    "by least squares; test error on 400 or 200 others against doing nothing, paired by seed. Strengths are "
    "chosen on seeds of their own. What a step costs is measured on Friedman's problem."
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


def _stopped(lab: Lab, world: World, *, extra: bool) -> Iterator[Gain]:
    """Yield what training gains that stops where held-out error was least, for every data set."""
    for arena, _ in arenas(lab):
        task = arena.task(TRAIN + HELD_OUT if extra else TRAIN)
        count = task.x.shape[1] - HELD_OUT
        part = replace(task, x=task.x[:, :count], y=task.y[:, :count])
        held_out = replace(task, test_x=task.x[:, count:], test_y=task.y[:, count:])
        history = train_network(
            arena.network(), part, arena.seed, epochs=arena.epochs, held_out=held_out, every=1
        )
        epoch = world.stop(history.train)
        errors = history.test.gather(0, epoch.unsqueeze(0)).squeeze(0)
        name = f"epochs until stopped, median of at most {arena.epochs}"
        epochs = Number(name=name, value=float((epoch + 1).median()), unit="1")
        yield Gain(arena.data, seed_ratio(errors, doing_nothing(arena)), (epochs,))


_remedy = partial(claim, is_sampled=True)


@_remedy(
    "O1",
    "Early stopping is a remedy for overfitting.",
    _METHOD
    + f" Training stops where the error on {HELD_OUT} held-out examples was least; they are taken from the "
    "40, or come beside them.",
)
def early_stopping(lab: Lab, world: World = World()) -> Evidence:
    """Stop each seed where its held-out error is least."""
    beside, taken = "held-out examples beside the 40", "held-out examples taken from the 40"
    gains = {beside: _stopped(lab, world, extra=True), taken: _stopped(lab, world, extra=False)}
    return evidence_of(lab, "O1", gains, {beside: "early stopping"})


@_remedy(
    "O2",
    "Data augmentation is a remedy for overfitting.",
    _METHOD + " Fresh Gaussian noise is added to the inputs.",
)
def augmentation(lab: Lab, world: World = World()) -> Evidence:
    """Add noise to the inputs."""
    gains = tuned(
        lab,
        (0.05, 0.1, 0.3, 0.6),
        "standard deviation of the noise",
        lambda arena, strength: arena.error(
            lambda network: replace(network, augment=world.augment(strength))
        ),
    )
    return evidence_of(lab, "O2", {"": gains}, {"": "augmentation"})


@_remedy("O3", "Dropout is a remedy for overfitting.", _METHOD)
def dropout(lab: Lab, world: World = World()) -> Evidence:
    """Drop hidden values."""
    gains = tuned(
        lab,
        (0.2, 0.4, 0.6),
        "rate",
        lambda arena, rate: arena.error(lambda network: replace(network, drop=world.dropout(rate))),
    )
    return evidence_of(lab, "O3", {"": gains}, {"": "dropout"})


@_remedy("O4", "L1 and L2 penalties are remedies for overfitting.", _METHOD)
def penalties(lab: Lab, world: World = World()) -> Evidence:
    """Add each penalty to the loss."""

    def attempt(penalty: Callable[[float], Penalty]) -> Try:
        return lambda arena, strength: arena.error(penalty=penalty(strength))

    gains = {
        "L1": tuned(lab, (0.01, 0.03, 0.06, 0.1), "strength", attempt(world.l1)),
        "L2": tuned(lab, (0.03, 0.1, 0.3, 1.0), "strength", attempt(world.l2)),
    }
    return evidence_of(lab, "O4", dict(gains), {"L1": "L1", "L2": "L2"})


@_remedy(
    "O5",
    "Ensembles are a remedy for overfitting.",
    _METHOD + f" The predictions of {_MEMBERS} networks are averaged.",
)
def ensembles(lab: Lab, world: World = World()) -> Evidence:
    """Average networks that differ in their initial weights and in the order of their examples."""

    def gains() -> Iterator[Gain]:
        for arena, _ in arenas(lab):
            task, predictions = arena.task(), []
            for member in range(_MEMBERS):
                network = arena.network(more=100 * member)
                train_network(network, task, arena.seed + 100 * member, epochs=arena.epochs)
                with torch.no_grad():
                    predictions.append(network.predict(task.test_x))
            errors = (world.combine(torch.stack(predictions)) - task.test_y).square().mean(1)
            # Doing nothing is the first member: the same weights, in the same order.
            alone = (predictions[0] - task.test_y).square().mean(1)
            yield Gain(arena.data, seed_ratio(errors, alone))

    return evidence_of(lab, "O5", {"": gains()}, {"": "ensemble"})


@_remedy("O6", "DropConnect is a remedy for overfitting.", _METHOD)
def dropconnect(lab: Lab, world: World = World()) -> Evidence:
    """Drop weights."""
    gains = tuned(
        lab,
        (0.2, 0.4, 0.6),
        "rate",
        lambda arena, rate: arena.error(lambda network: replace(network, thin=world.dropconnect(rate))),
    )
    return evidence_of(lab, "O6", {"": gains}, {"": "DropConnect"})


@_remedy(
    "O7",
    "More training data is a remedy for overfitting.",
    _METHOD + f" There are {MORE} times as many examples, in as many steps.",
)
def more_data(lab: Lab, world: World = World()) -> Evidence:
    """Train on more examples, in as many steps."""
    examples = world.collect(MORE * TRAIN)
    epochs = max(1, lab.epochs * TRAIN // examples)

    def gains() -> Iterator[Gain]:
        for arena, _ in arenas(lab):
            history = train_network(arena.network(), arena.task(examples), arena.seed, epochs=epochs)
            yield Gain(arena.data, seed_ratio(history.test[-1], doing_nothing(arena)))

    return evidence_of(lab, "O7", {"": gains()}, {"": "more data"})


@_remedy(
    "O8",
    "A model of fitting size is a remedy for overfitting.",
    _METHOD + f" The width {HIDDEN_WIDTH} is replaced by the best of five smaller ones; 0 is a linear model.",
)
def fitting_size(lab: Lab, world: World = World()) -> Evidence:
    """Choose a smaller network."""
    gains = list(
        tuned(
            lab,
            (0, 4, 8, 16, 32),
            "width chosen",
            lambda arena, width: arena.error(lambda _: arena.network(world.resize(int(width)))),
        )
    )
    width = int(gains[0].more[0].value or 0)  # on the problem where costs are measured
    return evidence_of(lab, "O8", {"": gains}, {"": f"width {width}"})


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
