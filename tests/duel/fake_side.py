"""A side without torch: speaks the protocol, and costs, prints and dies as it is told to."""

import json
import os
import signal
import sys
import time
from pathlib import Path

from harness.duel.worker import protocol
from harness.processes.lifeline import die_with

METRICS = [
    {"name": "time", "unit": "s", "better": "lower", "kind": "noisy", "meaning": "seconds a call"},
    {"name": "saved", "unit": "B", "better": "lower", "kind": "exact", "meaning": "bytes saved"},
]
ENVIRONMENT = {
    "harness": "0.1.0",
    "torch": "2.13.0",
    "build": "cpu",
    "python": "3.11.7",
    "platform": "Linux",
    "processor": "a processor",
    "cpu_capability": "AVX2",
    "threads": 1,
    "interop_threads": 1,
    "device": "2 cores",
    "commit": "",
    "started": "2026-01-01T00:00:00+00:00",
    "load": 0.0,
}


def case(model: str) -> dict[str, object]:
    return {
        "case": {"question": "grad_mode", "model": model},
        "asks": "What?",
        "arms": ["grad"],
        "columns": ["saved"],
    }


def main() -> None:  # noqa: C901 (a case a line)
    told = json.loads(os.environ["FAKE"])
    reads, writes, parent = (int(text) for text in sys.argv[4:7])
    die_with(parent)
    counter = Path(told["folder"]) / f"{told['name']}.restarts"
    restart = int(counter.read_text()) + 1 if counter.exists() else 1
    counter.write_text(str(restart))
    (Path(told["folder"]) / f"{told['name']}.pid").write_text(str(os.getpid()))
    if "print" in told:
        print(told["print"])  # noqa: T201 (what it is told to do)
        sys.stdout.flush()
    answers = os.fdopen(writes, "wb")
    if "raw" in told:
        answers.write(told["raw"].encode())
        answers.flush()
        return
    protocol.say(
        answers,
        {
            "hello": {
                "protocol": told.get("protocol", protocol.VERSION),
                "pid": os.getpid(),
                "aslr_off": told.get("aslr_off", True),
            }
        },
    )
    models = told.get("models", ["model"])
    at = ""
    for line in os.fdopen(reads, "rb"):
        asked = protocol.decode_message(line)
        do = asked["do"]
        if do == "build":
            at = asked["case"]["model"]
        if [do, at, restart] in told.get("die", []) or [do, at, 0] in told.get("die", []):
            os.kill(os.getpid(), signal.SIGKILL)
        if do == "bye":
            return
        answer: dict[str, object] = {}
        if do == "plan":
            answer = {
                "cases": [case(model) for model in models],
                "refused": told.get("refused", {}),
                "metrics": METRICS,
            }
        elif do == "describe":
            answer = {"environment": ENVIRONMENT | told.get("environment", {})}
        elif do == "build":
            answer = {"seconds": {"grad": 1e-3}, "failed": told.get("failed", {}), "skipped": {}}
        elif do == "time":
            time.sleep(told.get("sleep", 0))
            answer = {"seconds": [1e-3 * told.get("slower", 1.0) * (1 + restart * 1e-5)] * asked["samples"]}
        elif do == "exact":
            answer = {"counts": {"saved": told.get("saved", 64)}}
        elif do == "explain":
            answer = {"parts": {"saved": [["encoder.0", "Linear", "addmm", told.get("saved", 64)]]}}
        protocol.say(answers, answer)


if __name__ == "__main__":
    main()
