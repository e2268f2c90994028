"""What claims ask of the measuring code: pairs of steps, and all arms of a question, judged."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

import torch
from torch import nn

from harness.claims.claim import Lab
from harness.claims.record import Number
from harness.judge.contrasts import judge_arm, judge_samples, timing
from harness.judge.looks import Looks
from harness.judge.times import arm_seconds, median_seconds
from harness.judge.verdict import LAYOUT_FLOOR, Judgement, Verdict
from harness.measure.block import TimingBlock
from harness.measure.case import measure_arms
from harness.measure.clock import clock_for
from harness.measure.runner import Settings, side
from harness.measure.sampling import Side
from harness.record.schema import ArmResult, Case, Record
from harness.report.answer import answer_of
from harness.workload.model import Model
from harness.workload.question import Question
from harness.workload.sources import resolve
from harness.workload.step import Part, Step


@dataclass(frozen=True, slots=True)
class TimedPair:
    """An arm against its reference."""

    judgement: Judgement
    seconds: float  # a call of the arm, the median
    reference_seconds: float


def time_steps(reference: Step, arm: Step, lab: Lab, name: str, floor: float = LAYOUT_FLOOR) -> TimedPair:
    """Time two steps as a pair that stands alone."""
    return time_sides(side(reference), side(arm), lab, name, floor)


def time_calls(
    reference: Callable[[], object],
    arm: Callable[[], object],
    lab: Lab,
    name: str,
    floor: float = LAYOUT_FLOOR,
) -> TimedPair:
    """Time two bare callables as a pair that stands alone."""
    return time_sides(Side((("call", reference),)), Side((("call", arm),)), lab, name, floor)


def time_sides(reference: Side, arm: Side, lab: Lab, name: str, floor: float) -> TimedPair:
    """Time two sides as a pair that stands alone."""
    block = TimingBlock(reference, {"arm": arm}, clock_for("cpu"), Random(f"{name}/{lab.seed}"))
    block.prepare(lab.budget)
    block.run(block.enough(lab.budget), Looks(1, floor))
    for error in block.failed.values():
        raise error
    taken = block.samples("arm")[0]
    return TimedPair(
        judge_samples(taken, floor=floor),
        arm_seconds(taken),
        median_seconds(taken.reference),
    )


def measure_case(question: Question, case: Case, arms: Sequence[str], lab: Lab) -> Record:
    """Measure the arms of one case in one block, the reference first as its own A/A control."""
    record = Record(case=case, asks=question.asks, reference=question.arms(resolve(case.model))[0])
    for result in measure_arms(question, case, arms, Settings(lab.budget, lab.seed)):
        record = record.with_arm(result)
    return record


def case_of(question: Question, model: str, mode: str, variant: str = "") -> Case:
    """Return the case of a model in its usual batch size, on the CPU in float32."""
    entry = resolve(model)
    return Case(
        question=question.name, model=entry.name, batch_size=entry.batch_size, mode=mode, variant=variant
    )


def judged(
    results: Sequence[ArmResult], metric: str = "time", floor: float = LAYOUT_FLOOR
) -> tuple[Judgement, ...]:
    """Judge arms that are read together as one family."""
    return tuple(judge_arm(result, metric, len(results), floor=floor) for result in results)


def seconds(result: ArmResult, metric: str = "time") -> float:
    """Return the seconds of a call of an arm."""
    return arm_seconds(timing(result, metric))


def is_better(judgement: Judgement) -> bool | None:
    """Return whether an arm is faster; None where that is not decided."""
    return (
        None
        if judgement.verdict in (Verdict.UNDECIDED, Verdict.INVALID)
        else judgement.verdict is Verdict.BETTER
    )


def judgement_words(judgement: Judgement) -> str:
    """Return a judgement of times in one line.

    >>> from harness.judge.verdict import judge
    >>> judgement_words(judge([[0.02]] * 8))
    'slower by 2 % (2 to 2)'
    """
    return answer_of(judgement, LAYOUT_FLOOR)


def ratio_number(name: str, judgement: Judgement) -> Number:
    """Return the ratio of a contrast with its interval."""
    return Number(name=name, value=judgement.ratio, low=judgement.low, high=judgement.high, unit="ratio")


def one_part(call: Callable[[], object], module: nn.Module, *inputs: torch.Tensor) -> Step:
    """Return a step of one forward part, over a module and inputs that can be moved in memory."""
    return Step((Part("forward", call),), Model(module, inputs), call)
