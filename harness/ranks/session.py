"""A run over ranks, on each of them: meet, check that all were asked the same, measure; rank 0 writes."""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NoReturn

import msgspec
import torch

import harness
from harness.errors import HarnessError
from harness.judge.verdict import LAYOUT_FLOOR
from harness.measure.environment import environment
from harness.measure.garbage import old_objects_set_aside, set_optimizers_aside
from harness.measure.inspection import inspect_model, refusing
from harness.measure.probes import METRICS
from harness.measure.study import Watcher
from harness.ranks.agreement import agreed, check_alike, raise_refusal
from harness.ranks.alarm import Alarm, Store, store_beside
from harness.ranks.arms import Job, RankSettings, digest, measure_arm_over_ranks
from harness.ranks.crew import Crew, joined
from harness.ranks.place import Place, backend_for, check_gloo, device_of_rank
from harness.record.begin import begun_run
from harness.record.measured import Case
from harness.record.schema import ArmResult, Record, Run, World
from harness.workload.models import Entry
from harness.workload.questions import load_question
from harness.workload.questions.ranks import wrap_of
from harness.workload.sources import build, resolve_with_loss
from harness.workload.wrapping import check_wrap

_SETTLING_S = 1.0  # in which the launcher says that another rank has died


class RankRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What every rank was asked; all have to be asked the same."""

    cases: tuple[Case, ...]  # a batch size of 0 stands for the model's own
    budget: float  # seconds of timing for an arm and its reference
    device: str = "cpu"
    seed: int = 0
    threads: int = 1
    loss: str = ""
    command: str = ""


class Ended(BaseException):
    """The launcher ends this rank, because another one has died or it was told to."""


@dataclass(slots=True)
class RankSession:
    """One rank's part of a run.

    Attributes:
        place: of this rank.
        ask: what is asked of it; may refuse, which all ranks then do.
        time_limit: seconds that a rank may stay where it is.
        watch: told of every result on rank 0, and on every rank of what ends the run.
    """

    place: Place
    ask: Callable[[], RankRequest]
    time_limit: float
    watch: Watcher
    run: Run | None = None
    _record: Record | None = field(default=None, init=False)
    _arm: str = field(default="", init=False)
    _was_ended: bool = field(default=False, init=False)  # by the launcher

    def measure(self) -> Run:
        """Measure everything with all other ranks.

        A rank that fails, or does not get on, ends the process.

        Raises:
            HarnessError: what was asked cannot be measured; the same is raised on all ranks.
        """
        check_gloo()
        store, beside = store_beside(self.time_limit)  # until here a signal ends this process at once
        alarm = Alarm(self.place, beside, self.time_limit, self._tell)
        signal.signal(signal.SIGTERM, self._end)
        signal.set_wakeup_fd(alarm.wakes, warn_on_full_buffer=False)
        try:
            alarm.at("meeting the other ranks")
            request, device, backend = self._ready(store)
            with joined(self.place, device, backend, store, self.time_limit) as crew:
                run = self._measured(crew, request, alarm.at)
                crew.meet()
        except HarnessError:
            _stop(alarm)
            raise
        except (Ended, KeyboardInterrupt):
            self._ended(alarm)
        except BaseException as error:  # noqa: BLE001 (whatever it is, the other ranks have to be told)
            self._failed(alarm, error)
        _stop(alarm)
        return run

    def _ready(self, store: Store) -> tuple[RankRequest, str, str]:
        """Return what is asked, the device and the backend, where no rank refuses."""
        made = []
        refusal = ""
        try:
            request = self.ask()
            device = device_of_rank(self.place, request.device)
            for wrap in dict.fromkeys(wrap_of(case) for case in request.cases):
                check_wrap(wrap)
            made.append((request, device, backend_for(device)))
            if request.threads:
                torch.set_num_threads(request.threads)
        except HarnessError as error:
            refusal = str(error)
        store.set(f"refused/{self.place.rank}", refusal)
        raise_refusal([store.get(f"refused/{rank}").decode() for rank in range(self.place.ranks)])
        return made[0]

    def _measured(self, crew: Crew, request: RankRequest, at: Callable[[str], None]) -> Run:
        at("comparing what was asked")
        check_alike(crew.gathered(_as_told(request)), "was asked for")
        cases = []
        for wanted in request.cases:
            at(f"finding {wanted.model}")
            entry = agreed(crew, partial(resolve_with_loss, wanted.model, request.loss))
            case = replace(
                wanted,
                model=entry.name,
                dtype=wanted.dtype or entry.dtype,
                batch_size=wanted.batch_size or entry.batch_size,
            )
            cases.append((case, entry))
        planned = tuple(
            (case.id, arm) for case, entry in cases for arm in load_question(case.question).arms(entry)
        )
        self.run = msgspec.structs.replace(self._begun(crew, request), planned=planned)
        if crew.leads:
            self.watch.kept(self.run)
        with old_objects_set_aside():
            set_optimizers_aside()
            for case, entry in cases:
                at(f"looking at {case.model}")
                model = agreed(crew, partial(self._inspected, crew, case, entry, request.seed))
                check_alike(crew.gathered(model), f"built {case.model} with")
                self._case(crew, case, entry, RankSettings(request.budget, request.seed, at))
        self.run = msgspec.structs.replace(self.run, complete=not self.run.missing)
        if crew.leads:
            self.watch.kept(self.run)
        return self.run

    def _inspected(self, crew: Crew, case: Case, entry: Entry, seed: int) -> dict[str, str]:
        with refusing(f"building {case.model}"):
            model = build(replace(case, device=crew.device), seed, entry)
        for warning in inspect_model(model):
            if crew.leads:
                self.watch.note(warning)
        return digest(model)

    def _case(self, crew: Crew, case: Case, entry: Entry, settings: RankSettings) -> None:
        question = load_question(case.question)
        arms = question.arms(entry)
        self._record = Record(case=case, asks=question.asks, reference=arms[0], columns=question.columns)
        if crew.leads:
            self.watch.planned(len(arms))
        for arm in arms:
            self._arm = arm
            if crew.leads:
                self.watch.measuring(case, arm)
            result = measure_arm_over_ranks(crew, Job(question, case, entry), arm, settings)
            if crew.leads and result.status == "failed":
                self.watch.problem(f"{case.id}, {arm}: {result.reason}")
            self._keep(result)
        settings.progress("printing")
        if crew.leads:
            self.watch.finished(self._record)

    def _keep(self, result: ArmResult) -> None:
        if self.run is None or self._record is None:
            return
        self._record = record = self._record.with_arm(result)
        others = tuple(each for each in self.run.records if each.case.id != record.case.id)
        self.run = msgspec.structs.replace(self.run, records=(*others, record))
        if self.place.rank == 0:
            self.watch.kept(self.run)

    def _begun(self, crew: Crew, request: RankRequest) -> Run:
        nodes = tuple(dict.fromkeys(crew.gathered(self.place.host)))
        where = msgspec.structs.replace(
            environment(crew.device), world=World(ranks=self.place.ranks, backend=crew.backend, nodes=nodes)
        )
        return begun_run(
            where,
            request.device,
            METRICS,
            floor=LAYOUT_FLOOR,
            command=request.command,
            suffix=f"-{self.place.ranks}ranks",
        )

    def _tell(self, sentence: str, text: str) -> None:
        """Say why the run ends, and keep what there is of it."""
        self.watch.problem(sentence)
        print(text, file=sys.stderr, flush=True)  # noqa: T201 (a traceback as it is, whatever the watcher)
        self._keep(ArmResult(arm=self._arm, status="failed", reason=sentence))

    def _failed(self, alarm: Alarm, error: BaseException) -> NoReturn:
        from torch.distributed.elastic.multiprocessing.errors import get_error_handler

        with contextlib.suppress(Ended):
            # A rank that was killed takes its connections with it: then this error is only what came of that.
            time.sleep(_SETTLING_S)
        if self._was_ended:
            self._ended(alarm)
        get_error_handler().record_exception(error)
        with contextlib.suppress(Ended, RuntimeError):  # the store may be gone
            alarm.failed(error)
        _leave(1)

    def _end(self, _number: int, _frame: Any) -> None:
        # Python drops what is raised while it is in a destructor or a weak reference's callback.
        self._was_ended = True
        raise Ended

    def _ended(self, alarm: Alarm) -> NoReturn:
        with contextlib.suppress(Ended, RuntimeError):
            alarm.ended()
        _leave(1)


def _stop(alarm: Alarm) -> None:
    signal.set_wakeup_fd(-1)
    alarm.stop()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _leave(status: int) -> NoReturn:
    """End at once: what torch does at the end of a process waits for ranks that are gone."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _as_told(request: RankRequest) -> dict[str, str]:
    told = {f"the case {number}:": case.id for number, case in enumerate(request.cases, 1)}
    others = ("budget", "device", "seed", "threads", "loss")
    told |= {f"the {name}": str(getattr(request, name)) for name in others}
    return told | {"torch": torch.__version__, "autograd-harness": harness.__version__}


@contextlib.contextmanager
def spoken_once(place: Place | None, watch: Watcher) -> Iterator[None]:
    """Turn a refusal into one line from rank 0 and exit status 2 on every rank."""
    try:
        yield
    except HarnessError as error:
        if place is None or place.rank == 0:
            watch.problem(str(error), error)
        else:
            # The launcher ends all ranks as soon as one has ended: rank 0 has to have spoken by then.
            time.sleep(_SETTLING_S * 3)
        sys.exit(2)
