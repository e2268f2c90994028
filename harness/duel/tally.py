"""What a duel has found so far: cases, refusals, samples, exact metrics; made into a record at the end."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from harness.duel.plan import Turns
from harness.duel.process import DuelError
from harness.duel.worker.protocol import Message
from harness.record.duel import Cause, DuelArm
from harness.record.names import TIME
from harness.record.schema import ArmResult, Case, Environment, Metric, Record, Run, Samples, Status

SIDES = ("base", "head")
ArmKey = tuple[str, str]  # a case's id and an arm
Pairs = tuple[list[float], list[float]]  # seconds of base and of head


@dataclass(slots=True)
class Planned:
    """One case, and its arms on either side.

    Attributes:
        id: of the case.
        case: its fields.
        asks: the question in one sentence.
        columns: the metrics that a table shows.
        arms: by side, in their order; a side without the case has none.
        shared: the arms that both sides have, and that none has failed in.
    """

    id: str
    case: Message
    asks: str
    columns: Sequence[str]
    arms: dict[str, list[str]]
    shared: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        base, head = (self.arms.get(side, []) for side in SIDES)
        self.shared = [arm for arm in base if arm in head]

    def every_arm(self) -> Iterator[str]:
        """Yield the arms of either side."""
        yield from dict.fromkeys(arm for side in SIDES for arm in self.arms.get(side, []))


@dataclass(slots=True)
class Tally:
    """Everything that both sides said."""

    planned: list[Planned] = field(default_factory=list)
    environments: dict[str, Message] = field(default_factory=dict)
    exact: dict[tuple[str, str, str], Message] = field(default_factory=dict)  # by side, case and arm
    samples: dict[ArmKey, list[Pairs]] = field(default_factory=dict)  # one pair of lists a restart
    turns: dict[ArmKey, Turns] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    restarts: int = 0
    budget: float = 0.0  # seconds of timing an arm
    _metrics: dict[str, Metric] = field(default_factory=dict)
    _refused: dict[tuple[str, str, str], tuple[Status, str]] = field(default_factory=dict)
    _targets: dict[tuple[str, str], str] = field(default_factory=dict)  # of a side without a target's cases

    def plan(self, answers: Mapping[str, Message]) -> None:
        """Put both sides' cases beside one another.

        Raises:
            DuelError: neither side has any.
        """
        cases: dict[str, dict[str, Message]] = {}
        for side in SIDES:
            answer = answers[side]
            self._metrics |= {metric["name"]: msgspec.convert(metric, Metric) for metric in answer["metrics"]}
            self._targets |= {(side, target): reason for target, reason in answer["refused"].items()}
            for entry in answer["cases"]:
                cases.setdefault(Case(**entry["case"]).id, {})[side] = entry
        for target, reason in answers["base"]["refused"].items():
            if target in answers["head"]["refused"]:
                other = answers["head"]["refused"][target]
                raise DuelError(
                    reason if reason == other else f"{target}: base says: {reason}; head says: {other}"
                )
        for name, by_side in cases.items():
            first = next(iter(by_side.values()))
            arms = {side: entry["arms"] for side, entry in by_side.items()}
            self.planned.append(Planned(name, first["case"], first["asks"], first["columns"], arms))

    def refuse(self, side: str, planned: Planned, answer: Message) -> None:
        """Leave out arms that a side cannot build, run or count, with the reason."""
        failed = dict(answer.get("failed", {}))
        if "error" in answer:
            failed |= dict.fromkeys(planned.shared, answer["error"])
        for status, reasons in (("failed", failed), ("skipped", answer.get("skipped", {}))):
            for arm, reason in reasons.items():
                self._refuse(side, planned, arm, status, reason)

    def _refuse(self, side: str, planned: Planned, arm: str, status: Any, reason: str) -> None:
        self._refused[side, planned.id, arm] = (status, reason)
        if arm in planned.shared:
            planned.shared.remove(arm)

    def give_up(self, case: str, side: str, reason: str) -> None:
        """Leave out a case that a side's worker does not survive."""
        for planned in self.planned:
            if planned.id == case:
                for arm in list(planned.shared):
                    self._refuse(side, planned, arm, "failed", reason)

    def keep(self, sampled: Mapping[ArmKey, Pairs], turns: Mapping[ArmKey, Turns]) -> None:
        """Keep the samples of a restart that went to its end."""
        for key, pair in sampled.items():
            self.samples.setdefault(key, []).append(pair)
            self.turns[key] = turns[key]

    def hear(self, side: str, printed: str) -> None:
        """Note that a side's code prints."""
        if printed:
            self.note(
                f"{side} prints to standard output by itself, which is not shown; its first line:"
                f" {printed[:80]!r}"
            )

    def note_aslr(self, *, is_off: bool) -> None:
        """Note that ASLR is on, so that both sides' addresses differ by chance."""
        if not is_off:
            self.note(
                "the system does not let ASLR be turned off, so that both sides lie at other addresses and"
                " short calls scatter more"
            )

    def note(self, line: str) -> None:
        """Keep a line that is to be known of the whole, once."""
        if line not in self.notes:
            self.notes.append(line)

    def arms(self) -> tuple[DuelArm, ...]:
        """Return what both sides gave together, arm by arm."""
        return tuple(
            DuelArm(
                case=planned.id,
                arm=arm,
                samples=self._samples(planned.id, arm),
                causes=tuple(self._causes(planned.id, arm)),
            )
            for planned in self.planned
            for arm in planned.every_arm()
        )

    def _samples(self, case: str, arm: str) -> Samples | None:
        restarts = self.samples.get((case, arm))
        if not restarts or any((side, case, arm) in self._refused for side in SIDES):
            return None
        turns = self.turns[case, arm]
        return Samples(
            metric=TIME,
            calls=turns.calls,
            reference=tuple(tuple(base) for base, _ in restarts),
            arm=tuple(tuple(head) for _, head in restarts),
            unit="draw",
            measured_s=turns.calls * sum(sum(side) for pair in restarts for side in pair),
        )

    def _causes(self, case: str, arm: str) -> list[Cause]:
        base, head = (self.exact.get((side, case, arm), {}).get("parts", {}) for side in SIDES)
        causes = []
        for metric in base:
            before, after = (_by_operator(side[metric]) for side in (base, head))
            causes += [
                Cause(
                    metric=metric,
                    unit=self._metrics[metric].unit,
                    module=row[0],
                    kind=row[1],
                    operator=row[2],
                    base=before.get(row, 0),
                    head=after.get(row, 0),
                )
                for row in dict.fromkeys((*before, *after))
                if before.get(row, 0) != after.get(row, 0)
            ]
        return sorted(causes, key=lambda cause: -abs(cause.head - cause.base))

    def run(self, side: str, name: str, floor: float, command: str) -> Run:
        """Return a side's exact results as a run."""
        return Run(
            id=name,
            environment=msgspec.convert(self.environments[side], Environment),
            metrics=tuple(self._metrics.values()),
            records=tuple(
                Record(
                    case=Case(**planned.case),
                    asks=planned.asks,
                    reference=next(planned.every_arm()),
                    columns=tuple(planned.columns),
                    arms=tuple(self._result(side, planned, arm) for arm in planned.every_arm()),
                )
                for planned in self.planned
            ),
            command=command,
            floor=floor,
        )

    def _result(self, side: str, planned: Planned, arm: str) -> ArmResult:
        if (side, planned.id, arm) in self._refused:
            status, reason = self._refused[side, planned.id, arm]
            return ArmResult(arm=arm, status=status, reason=reason)
        if arm not in planned.arms.get(side, []):
            missing = "arm" if side in planned.arms else "case"
            target = str(planned.case["model"])
            why = self._targets.get((side, target), f"{side} has no such {missing}")
            return ArmResult(arm=arm, status="failed", reason=why)
        return ArmResult(arm=arm, counts=self.exact.get((side, planned.id, arm), {}).get("counts", {}))


def _by_operator(rows: Sequence[Sequence[Any]]) -> dict[tuple[str, str, str], int]:
    return {(str(row[0]), str(row[1]), str(row[2])): int(row[3]) for row in rows}
