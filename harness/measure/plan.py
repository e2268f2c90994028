"""What is measured of a model: each question at its cases, and the freezing curve as far as time allows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness.record.measured import Case
from harness.setting import QUESTIONS, RUN_TIME_S, Setting
from harness.workload.blocks import Blocks
from harness.workload.freezing_curve import FEWEST_PLACES, MOST_PLACES, NAME, arms_of, curve_question
from harness.workload.losses import Loss
from harness.workload.models import Entry
from harness.workload.question import Question

EXACT_PASSES = 4.5  # what an arm's exact numbers take, in forward passes; results/tables/passes.md shows it
EXACT_SHARE = 0.5  # of a run's time, for exact numbers; the rest is for times
_ALWAYS = 2  # of the usual questions, however dear: what a graph costs, and what freezing spares
_WORTH_SAYING_S = 5.0  # who waits no longer need not be told how long


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked of a model, and how it is measured; a loss is a function by now."""

    questions: tuple[Question, ...]
    setting: Setting = field(default_factory=Setting)
    loss: Loss | None = None  # None for the model's own

    @property
    def trains(self) -> bool:
        """Whether one of the questions trains the model."""
        return self.setting.curve or any(not question.arms_share_model for question in self.questions)

    @property
    def may_omit(self) -> bool:
        """Whether dear questions may be left out: the usual ones are put, and all of them have one time."""
        setting = self.setting
        is_usual = tuple(question.name for question in self.questions) == QUESTIONS
        return is_usual and setting.budget is None and not (setting.full or setting.is_exact_only)

    @property
    def exact_s(self) -> float:
        """Seconds that exact numbers should take at most: half of a run that also takes times."""
        if self.setting.is_exact_only:
            return RUN_TIME_S
        return EXACT_SHARE * self.setting.run_time(RUN_TIME_S)


@dataclass(frozen=True, slots=True)
class RecordJob:
    """One record to be: a question at one case."""

    question: Question
    case: Case
    arms: tuple[str, ...]
    axis: dict[str, int] = field(default_factory=dict)  # where each arm stands, for a curve

    @property
    def trains(self) -> bool:
        """Whether its arms make optimizers."""
        return self.case.mode == "train" and not self.question.arms_share_model


def jobs_of(plan: Plan, entry: Entry, batch_size: int, *, trains: bool) -> Iterator[RecordJob]:
    """Yield each question's cases at a batch size.

    Args:
        plan: what is asked.
        entry: the model.
        batch_size: examples.
        trains: whether a training step of the model can be made; questions that train are left out otherwise.
    """
    for question in plan.questions:
        if not (trains or question.arms_share_model):
            continue  # arms that need models of their own change what is trained
        cells = question.cells(entry, False)  # noqa: FBT003 (the protocol's flag)
        wanted = [cell for cell in cells if cell.is_for(plan.setting.device)]
        cases = [
            plan.setting.case(question.name, entry, cell.mode, variant=cell.variant, batch_size=batch_size)
            for cell in wanted
        ]
        for case in {case.id: case for case in cases}.values():
            yield RecordJob(question, case, question.arms(entry))


def curve_job(case: Case, blocks: Blocks, most: int = MOST_PLACES) -> RecordJob:
    """Return the freezing curve of a model's blocks, at so many places at most."""
    axis = arms_of(len(blocks.paths), most)
    return RecordJob(curve_question(blocks), replace(case, question=NAME), tuple(axis), axis)


@dataclass(frozen=True, slots=True)
class Choice:
    """What is measured of all that could be; `omitted` holds how many arms each has that is not."""

    jobs: tuple[RecordJob, ...]
    omitted: Mapping[str, int]

    @property
    def arms(self) -> int:
        """How many arms are measured."""
        return sum(len(job.arms) for job in self.jobs)


@dataclass(frozen=True, slots=True)
class Price:
    """What the exact numbers of some jobs cost.

    Attributes:
        forward_s: seconds of a forward pass.
        allowed: seconds that they should take at most.
    """

    forward_s: float
    allowed: float

    def seconds(self, arms: int) -> float:
        """Return what the exact numbers of so many arms take, roughly."""
        return arms * EXACT_PASSES * self.forward_s

    def allows(self, arms: int) -> bool:
        """Return whether so many arms fit into the time that is allowed."""
        return self.seconds(arms) <= self.allowed

    def places(self, others: int, places: int) -> int:
        """Return at how many places of a curve there is time to freeze, beside so many other arms."""
        return places if self.allows(others + places) else min(places, FEWEST_PLACES)

    def line(self, choice: Choice, *, is_timed: bool, more_threads: int = 0) -> str:
        """Say what will be done and how long it takes; "" where nobody has to wait.

        Args:
            choice: what is measured, and what is not.
            is_timed: times are taken after the exact numbers.
            more_threads: on which torch could work, in place of those that there are; 0 where it cannot.
        """
        seconds = self.seconds(choice.arms)
        if seconds < _WORTH_SAYING_S:
            return ""
        line = f"a forward pass takes {self.forward_s:.1f} s, the exact numbers of {choice.arms} arms"
        line += f" about {seconds:.0f} s"
        if more_threads:
            line += f" (less on a quiet machine with --threads {more_threads}, with peaks of its own)"
        if is_timed:
            line += ", times come after them"
        if choice.omitted:
            more = self.seconds(sum(choice.omitted.values()))
            line += f"; without {' and '.join(choice.omitted)} ({more:.0f} s more, --full)"
        return line


def choose(
    jobs: Sequence[RecordJob], curve: tuple[Case, Blocks] | None, price: Price, *, may_omit: bool
) -> Choice:
    """Return what is measured: all of it, or what there is time for.

    Args:
        jobs: in the order of their questions.
        curve: the case and the blocks of the freezing curve, which is taken at few places where it is dear;
            None for no curve.
        price: what they cost.
        may_omit: the last questions, and the curve, may be left out whole.
    """
    names = list(dict.fromkeys(job.question.name for job in jobs))
    arms = dict.fromkeys(names, 0)
    for job in jobs:
        arms[job.question.name] += len(job.arms)
    omitted: dict[str, int] = {}
    while may_omit and len(names) > _ALWAYS and not price.allows(sum(arms[name] for name in names)):
        dear = names.pop()
        omitted[dear] = arms[dear]
    taken = [job for job in jobs if job.question.name in names]
    if curve is not None:
        others, every = sum(arms[name] for name in names), len(curve_job(*curve).arms)
        few = price.places(others, every)
        if may_omit and not price.allows(others + few):
            omitted["the freezing curve"] = every
        else:
            taken.append(curve_job(*curve, few))
            if every > few:
                omitted[f"{every - few} places of the freezing curve"] = every - few
    return Choice(tuple(taken), omitted)
