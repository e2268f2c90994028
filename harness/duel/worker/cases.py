"""From targets to cases, and from a case to steps that can be timed; in a side's own interpreter."""

import gc
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace

from harness.duel.worker.protocol import Message
from harness.errors import HarnessError
from harness.measure.clock import Clock, clock_for
from harness.measure.heap import keep_freed_memory
from harness.measure.sampling import Side, sample, warm
from harness.record.measured import Case
from harness.setting import Setting
from harness.workload.call import CALL, as_call
from harness.workload.factory import first_line, made_by
from harness.workload.model import UnsupportedError, WorkloadError
from harness.workload.models import MODELS
from harness.workload.questions import load_question
from harness.workload.sources import SOURCES, build, resolve, resolve_with_loss
from harness.workload.step import Step


@dataclass(frozen=True, slots=True)
class CaseSelection:
    """Which cases are to run, as the command line says it."""

    targets: Sequence[str]  # none for all built-in models
    questions: Sequence[str]
    setting: Setting


def plan_cases(selection: CaseSelection) -> tuple[list[Message], dict[str, str]]:
    """Return the cases of all targets with their arms, and of each target that has none, why."""
    planned: list[Message] = []
    refused: dict[str, str] = {}
    for target in dict.fromkeys(selection.targets or MODELS):
        try:
            planned += _cases_of(target, selection)
        except HarnessError as error:
            refused[target] = str(error)
    return planned, refused


def _cases_of(target: str, selection: CaseSelection) -> list[Message]:
    if _is_factory(target) and (step := as_call(made_by(target), target)) is not None:
        case = Case(question=CALL.name, model=target, device=selection.setting.device, dtype="own", mode="")
        del step
        return [_planned(case, CALL.asks, CALL.arms, CALL.columns)]
    entry = resolve(target)
    mode = selection.setting.mode
    cases = []
    for name in selection.questions:
        question = load_question(name)
        cells = question.cells(entry, False)  # noqa: FBT003 (the protocol's flag)
        if mode:
            cells = tuple(cell for cell in question.cells(entry, True) if cell.mode == mode)  # noqa: FBT003
        for cell in cells:
            case = selection.setting.case(name, replace(entry, name=target), cell.mode, variant=cell.variant)
            cases.append(_planned(case, question.asks, question.arms(entry), question.columns))
    if not cases:
        raise WorkloadError(
            f"no question of {', '.join(selection.questions)} is put to {target} in {mode} mode"
        )
    return cases


def _planned(case: Case, asks: str, arms: Sequence[str], columns: Sequence[str]) -> Message:
    return {"case": asdict(case), "asks": asks, "arms": list(arms), "columns": list(columns)}


def _is_factory(target: str) -> bool:
    return ":" in target and target.partition(":")[0] not in SOURCES


@dataclass(slots=True)
class Built:
    """The steps of one case by arm, and why others have none."""

    clock: Clock
    steps: dict[str, Step] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    def warm(self) -> Message:
        """Call every step until it is warm; garbage is collected before, and no more until `close`.

        Returns:
            The seconds of a warm call by arm, and the reasons of arms that cannot be called.
        """
        seconds = {}
        keep_freed_memory()
        gc.collect()  # takes up to 0.1 s where torch is imported, so not before every turn
        gc.disable()
        for arm, step in list(self.steps.items()):
            try:
                seconds[arm] = warm(_side(step), self.clock)
            except (Exception, SystemExit) as error:  # noqa: BLE001 (whatever the side's model raises)
                del self.steps[arm]
                self.failed[arm] = str(error) if isinstance(error, HarnessError) else first_line(error)
        return {"seconds": seconds, "failed": self.failed, "skipped": self.skipped}

    def close(self) -> None:
        """Give the steps up, and collect garbage again."""
        self.steps = {}
        gc.enable()
        gc.collect()

    def time(self, arm: str, *, calls: int, samples: int, refill: bool) -> list[float]:
        """Return seconds per call of `samples` samples in a row, each of `calls` calls.

        Args:
            arm: which.
            calls: a sample.
            samples: that are returned.
            refill: make one more before them, which is thrown away: the other side has had the caches.
        """
        side = _side(self.steps[arm])
        seconds = [sample(side, calls, self.clock)[0] for _ in range(samples + refill)]
        return seconds[refill:]


def _side(step: Step) -> Side:
    """Return a step as what is timed; in a duel its parts are not timed apart."""
    return Side((("step", step),))


def build_case(case: Case, arms: Sequence[str], seed: int, loss: str = "") -> Built:
    """Build the steps of a case; an arm that cannot be built is kept with its reason.

    Raises:
        HarnessError: no arm can be built, for a reason that is the model's.
    """
    built = Built(clock_for(case.device))
    if case.question == CALL.name:
        step = as_call(made_by(case.model), case.model)
        if step is None:
            raise WorkloadError(f"{case.model} returned no callable")
        built.steps = dict.fromkeys(arms, step)
        return built
    question = load_question(case.question)
    entry = resolve_with_loss(case.model, loss)
    shared = build(case, seed, entry) if question.arms_share_model else None
    for arm in arms:
        model = build(case, seed, entry) if shared is None else shared
        try:
            built.steps[arm] = question.build(case, arm, model)
        except UnsupportedError as error:
            built.skipped[arm] = str(error)
        except WorkloadError as error:
            built.failed[arm] = str(error)
    return built
