"""What a remedy for overfitting is tried on: data and networks of some seeds, against doing nothing."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import msgspec
import torch

from harness.claims.claim import Evidence, Lab
from harness.claims.costs import cost_of
from harness.claims.data_sets import DATA_SETS, FRIEDMAN, DataSet
from harness.claims.gains import GAIN, gain_plot
from harness.claims.perceptron import HIDDEN_WIDTH, PILOT, TRAIN, Network, Penalty, train_network
from harness.claims.record import Check, Number
from harness.claims.regression import RegressionTask
from harness.claims.seeds import Estimate, is_lower, number, seed_ratio, words
from harness.judge.interval import MIN_UNITS


@dataclass(frozen=True, slots=True)
class Arena:
    """The data of some seeds, and what doing nothing gives there."""

    data: DataSet
    seeds: int
    seed: int
    epochs: int

    def task(self, train: int = TRAIN) -> RegressionTask:
        """Return the data, with as many training examples."""
        return self.data.draw(self.seeds, self.seed, train)

    def network(self, width: int = HIDDEN_WIDTH, more: int = 0) -> Network:
        """Return networks that are not trained yet, of a width; `more` is added to the seed."""
        return Network.build(self.seeds, self.seed + more, width, inputs=self.data.inputs)

    def error(
        self, change: Callable[[Network], Network] = lambda network: network, penalty: Penalty | None = None
    ) -> torch.Tensor:
        """Return the test error of every seed after training."""
        torch.manual_seed(self.seed)  # of the masks and the noise
        network = change(self.network())
        return train_network(network, self.task(), self.seed, epochs=self.epochs, penalty=penalty).test[-1]


@cache
def doing_nothing(arena: Arena) -> torch.Tensor:
    """Return the test error of every seed without a remedy, which most claims compare with."""
    return arena.error()


def arenas(lab: Lab) -> Iterator[tuple[Arena, Arena]]:
    """Yield, for every data set that is here, the seeds that are judged and those that choose strengths."""
    for data in DATA_SETS:
        if data.is_here and (not lab.data_sets or data.name in lab.data_sets):
            seeds = max(MIN_UNITS, int(lab.seeds * data.share))
            pilot = max(MIN_UNITS, seeds // 4)
            yield (
                Arena(data, seeds, lab.seed, lab.epochs),
                Arena(data, pilot, lab.seed + PILOT, lab.epochs),
            )


@dataclass(frozen=True, slots=True)
class Gain:
    """What a remedy gave on one data set: test errors against doing nothing, and what was chosen there."""

    data: DataSet
    change: Estimate
    more: tuple[Number, ...] = ()


Try = Callable[[Arena, float], torch.Tensor]


def tuned(lab: Lab, strengths: Sequence[float], name: str, attempt: Try) -> Iterator[Gain]:
    """Choose a strength on seeds of their own, and yield its gain on the others, for every data set."""
    for arena, pilot in arenas(lab):
        tried = {strength: float(attempt(pilot, strength).median()) for strength in strengths}
        best = min(tried, key=tried.__getitem__)
        change = seed_ratio(attempt(arena, best), doing_nothing(arena))
        yield Gain(arena.data, change, (Number(name=name, value=best),))


def evidence_of(
    lab: Lab, claim_id: str, remedies: Mapping[str, Iterable[Gain]], costs: dict[str, str]
) -> Evidence:
    """Return the evidence of a claim about one remedy, named "", or about several."""
    checks: list[Check] = []
    numbers: list[Number] = []
    rows: list[tuple[str, Estimate]] = []
    for remedy, gains in remedies.items():
        prefix = f"{remedy}: " if remedy else ""
        for gain in gains:
            says = f"test error / doing nothing {words(gain.change)} over {gain.change.seeds} seeds"
            where = f"{prefix}{gain.data.name}"
            checks.append(Check(where=where, says=says, holds=is_lower(gain.change)))
            rows.append((where, gain.change))
            inner = prefix if gain.data is FRIEDMAN else f"{where}: "
            numbers.append(number(inner + GAIN, gain.change, "ratio"))
            numbers += [msgspec.structs.replace(more, name=f"{where}: {more.name}") for more in gain.more]
        checks += [
            Check(where=f"{prefix}{data.name}", says="not tried: it needs scikit-learn", holds=None)
            for data in DATA_SETS
            if not data.is_here
        ]
        if remedy in costs:
            numbers += cost_of(costs[remedy], lab, prefix)
    return Evidence(tuple(checks), tuple(numbers), (gain_plot(claim_id, rows),))
