"""The referee: restarts both sides, runs every case in each restart, and keeps what they say.

It imports no torch, and sleeps while a side works.
"""

import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from harness.duel.plan import Turns, budget_for, mean_cost, plan_turns, restarts_for
from harness.duel.process import DuelError, LostError, Worker
from harness.duel.sides import SideSource
from harness.duel.starting import Starter
from harness.duel.tally import ArmKey, Planned, Tally
from harness.duel.worker.protocol import Message

MOST_LOST = 3  # restarts in a row; then nothing is to be had
MOST_DEATHS = 2  # of workers in one case; then the case is left out


class DuelWatcher(Protocol):
    """Who is told how far a duel is."""

    def planned(self, restarts: int) -> None:
        """Take the number of restarts."""

    def restarted(self) -> None:
        """Count one more restart."""


@dataclass(frozen=True, slots=True)
class DuelSettings:
    """How a duel is held.

    Attributes:
        selection: the cases, in the words of `CaseSelection`.
        restarts: of both sides; 0 for as many as the number of contrasts needs.
        budget: seconds of timing an arm, both sides together, over all restarts; 0 for exact metrics alone,
            None for what the number of contrasts allows.
        seed: of weights, inputs and order.
        core: that both sides are pinned to; None for none.
    """

    selection: Message
    restarts: int
    budget: float | None
    seed: int
    core: int | None


Workers = dict[str, Worker]


@dataclass(slots=True)
class Referee:
    """Holds one duel.

    Attributes:
        starters: of both sides, "base" and "head".
        settings: how.
        watch: is told how far it is.
        tally: what was found.
    """

    starters: dict[str, Starter]
    settings: DuelSettings
    watch: DuelWatcher
    tally: Tally = field(default_factory=Tally)
    _rng: Random = field(init=False)
    _deaths: Counter[str] = field(default_factory=Counter)
    _turns: dict[ArmKey, Turns] = field(default_factory=dict)
    _at: str = ""  # the case that is being run
    _wanted: int = 1  # restarts; how many is known when the cases are

    def __post_init__(self) -> None:
        self._rng = Random(f"duel/{self.settings.seed}")

    @property
    def sides(self) -> dict[str, SideSource]:
        """The sides by name."""
        return {name: starter.side for name, starter in self.starters.items()}

    def hold(self) -> Tally:
        """Run all restarts.

        Raises:
            DuelError: a side cannot be used, no case can be had, or workers end one after the other.
        """
        done = lost = 0
        while done < self._wanted:
            done += 1
            self._at = ""
            try:
                with self._restarted() as pair:
                    self._one(pair)
                lost = 0
            except LostError as error:
                lost += 1
                self._lose(done, error, lost)
            self.watch.restarted()
            if not self._is_anything_left():
                break
        if not self.tally.exact and self._is_anything_left():
            raise DuelError(f"no restart went to its end: {self.tally.lost[-1]}")
        self.tally.restarts = done
        return self.tally

    @property
    def _is_timed(self) -> bool:
        return self.settings.budget is None or self.settings.budget > 0

    def _is_anything_left(self) -> bool:
        """Whether there is a case left to run, once they are known."""
        return not self.tally.planned or any(planned.shared for planned in self.tally.planned)

    def _lose(self, number: int, error: LostError, lost: int) -> None:
        where = f" in {self._at}" if self._at else ""
        if not self._is_timed:
            self._wanted += 1  # exact metrics are taken once, and one restart has to go to its end
        self.tally.lost.append(f"restart {number} was lost: {error}{where}")
        if self._at:
            self._deaths[self._at] += 1
            if self._deaths[self._at] >= MOST_DEATHS:
                self.tally.give_up(self._at, error.side, f"{error}, in {MOST_DEATHS} restarts")
        elif lost >= MOST_LOST or not self.tally.planned:
            side = self.sides[error.side]
            raise DuelError(
                f"{error.side} ({side.given}) cannot be used: {side.python} {error.reason}"
            ) from error

    @contextmanager
    def _restarted(self) -> Iterator[Workers]:
        """Start both sides at once, in random order, and wait until both are ready; end them at the end."""
        names = list(self.starters)
        self._rng.shuffle(names)
        seed = self._rng.getrandbits(32)
        with ExitStack() as stack:
            pair: Workers = {}
            for name in names:
                pair[name] = self.starters[name].start(seed)
                stack.callback(self.starters[name].end, pair[name])
            for worker in pair.values():
                worker.meet()
            self.tally.note_aslr(is_off=all(worker.has_aslr_off for worker in pair.values()))
            yield pair
            for worker in pair.values():
                worker.send("bye")
            for name, worker in pair.items():
                self.starters[name].finish(worker)
                self.tally.hear(name, worker.printed())

    def _one(self, pair: Workers) -> None:
        if not self.tally.planned:
            self._plan(pair)
        if self.settings.core is not None:
            _both(pair, "pin", core=self.settings.core)
        sampled: dict[ArmKey, tuple[list[float], list[float]]] = {}
        if self._is_timed:
            for planned in self._shuffled():
                self._time(pair, planned, sampled)
        if not self.tally.exact:
            exact: dict[tuple[str, str, str], Message] = {}
            # Afterwards: no profiler has run in a process that is timed.
            for planned in self.tally.planned:
                self._exact(pair, planned, exact)
            self._check_origin(pair)
            self.tally.exact = exact
        self.tally.keep(sampled, self._turns)

    def _plan(self, pair: Workers) -> None:
        answers = _both(pair, "plan", selection=self.settings.selection)
        for name, answer in answers.items():
            if "error" in answer:
                raise DuelError(f"{name}: {answer['error']}")
        self.tally.environments = {
            name: answer["environment"]
            for name, answer in _both(
                pair, "describe", device=self.settings.selection["setting"]["device"]
            ).items()
        }
        self.tally.plan(answers)
        contrasts = sum(len(planned.shared) for planned in self.tally.planned)
        settings = self.settings
        self.tally.budget = budget_for(contrasts) if settings.budget is None else settings.budget
        if self._is_timed:
            self._wanted = settings.restarts or restarts_for(contrasts)
        self.watch.planned(self._wanted)

    def _shuffled(self) -> list[Planned]:
        order = list(self.tally.planned)
        self._rng.shuffle(order)
        return order

    def _build(self, pair: Workers, planned: Planned) -> dict[str, Message]:
        """Build a case on both sides; arms that fail are left out from here on."""
        self._at = planned.id
        for worker in pair.values():
            worker.send(
                "build",
                case=planned.case,
                arms=planned.shared,
                seed=self.settings.seed,
                loss=self.settings.selection["setting"]["loss"],
                layout=self._rng.getrandbits(32),
            )
        answers = {name: worker.answer() for name, worker in pair.items()}
        for name, answer in answers.items():
            self.tally.refuse(name, planned, answer)
        return answers

    def _time(
        self, pair: Workers, planned: Planned, sampled: dict[ArmKey, tuple[list[float], list[float]]]
    ) -> None:
        if not planned.shared:
            return
        built = self._build(pair, planned)
        for arm in planned.shared:
            if (planned.id, arm) not in self._turns:
                cost = mean_cost(built["base"]["seconds"], built["head"]["seconds"], arm)
                self._turns[planned.id, arm] = plan_turns(cost, self.tally.budget / self._wanted)
            sampled[planned.id, arm] = ([], [])
        remaining = {arm: self._turns[planned.id, arm].turns for arm in planned.shared}
        while remaining:
            for arm in self._rng.sample(list(remaining), len(remaining)):
                self._round(pair, arm, self._turns[planned.id, arm], sampled[planned.id, arm])
                remaining[arm] -= 1
                if not remaining[arm]:
                    del remaining[arm]
        self._drop(pair)

    def _round(self, pair: Workers, arm: str, turns: Turns, into: tuple[list[float], list[float]]) -> None:
        """Time both sides once, in fresh random order."""
        for name in self._rng.sample(["base", "head"], 2):
            answer = pair[name].ask(
                "time", arm=arm, calls=turns.calls, samples=turns.samples, refill=turns.refill
            )
            if "error" in answer:
                raise LostError(name, f"failed while it was timed: {answer['error']}")
            into[name == "head"].extend(answer["seconds"])

    def _exact(self, pair: Workers, planned: Planned, exact: dict[tuple[str, str, str], Message]) -> None:
        if not planned.shared:
            return
        self._build(pair, planned)
        for arm in planned.shared:
            counted = _both(pair, "exact", arm=arm)
            for name, answer in counted.items():
                if "error" in answer:
                    self.tally.refuse(name, planned, {"failed": {arm: answer["error"]}})
                exact[name, planned.id, arm] = answer
            if counted["base"].get("counts") != counted["head"].get("counts") and arm in planned.shared:
                for name, answer in _both(pair, "explain", arm=arm).items():
                    exact[name, planned.id, arm] |= answer
        self._drop(pair)

    def _drop(self, pair: Workers) -> None:
        _both(pair, "drop")
        self._at = ""

    def _check_origin(self, pair: Workers) -> None:
        """Make sure that a revision's worker ran the revision's code, and say so where nobody can know."""
        targets = {str(planned.case["model"]) for planned in self.tally.planned}
        modules = sorted({target.partition(":")[0] for target in targets if ":" in target})
        for name, worker in pair.items():
            side = worker.side
            answer = worker.ask("strays", root=side.root, modules=modules)
            if answer.get("strays"):
                raise DuelError(
                    f"{name} ({side.given}) imported {answer['strays'][0]} from {side.root}, which is the"
                    " working tree and not that revision; what lies at a revision's root or in its src/"
                    " is found before anything installed"
                )
            inside = os.path.join(side.tree, "")  # noqa: PTH118 (a prefix)
            for module, path in answer.get("origins", {}).items():
                if side.root and not path.startswith(inside):
                    self.tally.note(
                        f"{name} imported {module} from {path}, outside the working tree of {side.given}"
                    )


def _both(pair: Workers, do: str, **fields: object) -> dict[str, Message]:
    """Ask both sides at once."""
    for worker in pair.values():
        worker.send(do, **fields)
    return {name: worker.answer() for name, worker in pair.items()}


def free_core() -> int | None:
    """Return the core that both sides are pinned to: the last that this process may run on."""
    with suppress(AttributeError):  # the system has no such call
        cores = os.sched_getaffinity(0)
        return max(cores) if len(cores) > 1 else None
    return None


def elapsed(start: float) -> float:
    """Return the seconds since a moment of `time.monotonic`."""
    return round(time.monotonic() - start, 2)
