"""A worker: serves one referee in one side's interpreter. It needs torch and the standard library alone."""

import gc
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
from random import Random
from typing import IO, Any

import torch

from harness.duel.worker import protocol
from harness.duel.worker.cases import Built, CaseSelection, build_case, plan_cases
from harness.duel.worker.explain import explanation
from harness.duel.worker.protocol import Message
from harness.duel.worker.scatter import scatter
from harness.duel.worker.strays import imported_from, origins
from harness.errors import HarnessError
from harness.measure.environment import described
from harness.measure.observe import Observation
from harness.measure.probes import METRICS, PROBES
from harness.processes.ending import end_without_search
from harness.processes.lifeline import die_with
from harness.record.measured import Case
from harness.setting import Setting
from harness.workload.factory import first_line


def run(reads: IO[bytes], writes: IO[bytes], *, method: str, threads: int, aslr_off: bool) -> None:
    """Answer requests until the referee says bye, or is gone.

    Args:
        reads: requests.
        writes: answers.
        method: "spawn" serves in this process; "fork" makes a fresh copy of it for every restart.
        threads: intra-op; 0 for torch's own choice.
        aslr_off: whether ASLR is off, so that both sides lie at the same addresses.
    """
    end_without_search()
    if threads:
        torch.set_num_threads(threads)
    tree = os.getcwd()  # noqa: PTH109 (sys.path holds strings)
    # After torch and the harness: a working tree may hold folders of their names.
    sys.path[:0] = [tree, *([source] if os.path.isdir(source := os.path.join(tree, "src")) else [])]  # noqa: PTH112, PTH118
    gc.collect()
    gc.freeze()  # what was imported stays: collecting between cases need not look at it, nor copy its pages
    if method == "fork":
        _copy_on_request(reads, writes, aslr_off=aslr_off)
    else:
        _Worker(reads, writes).serve(aslr_off=aslr_off)


def _copy_on_request(reads: IO[bytes], writes: IO[bytes], *, aslr_off: bool) -> None:
    """Fork a worker for every request, and sleep while it serves on the same pipes.

    Nothing has been computed in this process: torch has no threads yet, so that a copy of it is whole.
    """
    protocol.say(writes, {"template": protocol.VERSION})
    for _ in iter(reads.readline, b""):
        parent = os.getpid()
        child = os.fork()
        if child == 0:
            die_with(parent)
            _Worker(reads, writes).serve(aslr_off=aslr_off)
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(0)  # what the template would do at its end is not the copy's to do
        _, status = os.waitpid(child, 0)
        protocol.say(writes, {"ended": os.waitstatus_to_exitcode(status)})


class _Worker:
    def __init__(self, reads: IO[bytes], writes: IO[bytes]) -> None:
        self._reads = reads
        self._writes = writes
        self._built: Built | None = None
        self._held: list[torch.Tensor] = []
        self._answers: dict[str, Callable[[Message], Message]] = {
            "describe": lambda request: {"environment": described(request["device"])},
            "plan": self._plan,
            "build": self._build,
            "time": self._time,
            "exact": self._exact,
            "explain": lambda request: explanation(Observation(self._step(request))),
            "strays": lambda request: {
                "strays": imported_from(request["root"], os.getcwd()),  # noqa: PTH109 (compared with strings)
                "origins": origins(request["modules"]),
            },
            "pin": self._pin,
            "drop": self._drop,
        }

    def serve(self, *, aslr_off: bool) -> None:
        hello = {
            "protocol": protocol.VERSION,
            "pid": os.getpid(),
            "torch": torch.__version__,
            "python": sys.version.partition(" ")[0],
            "aslr_off": aslr_off,
        }
        protocol.say(self._writes, {"hello": hello})
        with suppress(BrokenPipeError):  # the referee is gone
            for request in self._requests():
                protocol.say(self._writes, self._answer(request))

    def _requests(self) -> Iterator[Message]:
        while line := self._reads.readline():
            request = protocol.decode_message(line)
            if request["do"] == "bye":
                return
            yield request

    def _answer(self, request: Message) -> Message:
        try:
            return self._answers[request["do"]](request)
        except HarnessError as error:
            return {"error": str(error)}
        except (Exception, SystemExit) as error:  # noqa: BLE001 (whatever the side's code raises, told to the referee)
            return {"error": first_line(error)}

    def _plan(self, request: Message) -> Message:
        words = request["selection"]
        selection = CaseSelection(words["targets"], words["questions"], Setting(**words["setting"]))
        planned, refused = plan_cases(selection)
        return {"cases": planned, "refused": refused, "metrics": [asdict(metric) for metric in METRICS]}

    def _build(self, request: Message) -> Message:
        self._drop(request)
        self._held = scatter(Random(request["layout"]))
        self._built = build_case(
            Case(**request["case"]), request["arms"], request["seed"], request.get("loss", "")
        )
        return self._built.warm()

    def _time(self, request: Message) -> Message:
        if self._built is None:
            raise HarnessError("nothing is built")
        return {
            "seconds": self._built.time(
                request["arm"], calls=request["calls"], samples=request["samples"], refill=request["refill"]
            )
        }

    def _exact(self, request: Message) -> Message:
        observation = Observation(self._step(request))
        counts: dict[str, int] = {}
        for probe in PROBES:
            counts |= probe.read(observation)
        return {"counts": counts}

    def _step(self, request: Message) -> Any:
        if self._built is None:
            raise HarnessError("nothing is built")
        return self._built.steps[request["arm"]]

    def _pin(self, request: Message) -> Message:
        os.sched_setaffinity(0, {request["core"]})
        return {}

    def _drop(self, _asked: Message) -> Message:
        if self._built is not None:
            self._built.close()
        self._built = None
        self._held = []
        return {}
