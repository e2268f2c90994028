"""The trace file, held against what Perfetto's importer of JSON does with each event.

Its rules were read in its source, src/trace_processor/importers/json: an event that breaks one is
counted as a failure or dropped, and a viewer says nothing of it.
"""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from harness.record.schema import Allocated, ArmResult, Case, Environment, Record, Run
from harness.report.perfetto import trace_file

_LINE = Allocated(
    parts=("forward", "backward", "optimizer"),
    marks=(0.0, 0.001, 0.003, 0.004),
    times=(0.0005, 0.001, 0.001, 0.0035),
    levels=(4096, 8192, 16384, 0),
)


def _run(*arms: str, line: Allocated = _LINE, model: str = "nets:make") -> Run:
    environment = Environment(
        harness="0.1.0",
        torch="2.13.0",
        build="cpu",
        python="3.11.7",
        platform="Linux",
        processor="x86_64",
        cpu_capability="AVX2",
        threads=1,
        interop_threads=1,
        device="cpu",
        commit="",
        started="2026-01-01T00:00:00+00:00",
        load=0.0,
    )
    record = Record(
        case=Case(question="grad_mode", model=model),
        asks="?",
        reference=arms[0],
        arms=tuple(ArmResult(arm=arm, allocated=line) for arm in arms),
    )
    return Run(id="r", environment=environment, metrics=(), records=(record,))


def _nanoseconds(event: dict[str, Any]) -> int:
    """Return an event's time as the importer cuts it."""
    return int(event["ts"] * 1000)


@dataclass
class _Importer:
    """What the importer knows of the events so far, and which rules they broke."""

    broken: list[str] = field(default_factory=list)
    process_of: dict[int, int] = field(default_factory=dict)
    open: dict[int, list[str]] = field(default_factory=dict)  # slices, by thread
    last: dict[tuple[int, str], int] = field(default_factory=dict)  # nanoseconds, by track

    def check(self, kept: object, rule: str) -> None:
        if not kept:
            self.broken.append(rule)

    def read(self, event: dict[str, Any]) -> None:
        timed = isinstance(event.get("ts"), (int, float)) and event["ts"] >= 0
        self.check(timed, "an event without a time is a tokenizer failure")
        numbers = [event.get("pid"), event.get("tid")]
        self.check(
            all(isinstance(number, int) and number > 0 for number in numbers),
            "process and thread 0 are the idle ones, and text is a hack",
        )
        owner = self.process_of.setdefault(event["tid"], event["pid"])
        self.check(owner == event["pid"], "a thread belongs to one process")
        kinds = {"M": self.metadata, "C": self.counter, "B": self.begin, "E": self.end}
        if timed:
            kinds[event["ph"]](event)

    def metadata(self, event: dict[str, Any]) -> None:
        named = event["args"].get("name", event["args"].get("sort_index"))
        self.check(isinstance(named, (str, int)), "metadata names something")

    def counter(self, event: dict[str, Any]) -> None:
        found = event.get("args")
        values = found if isinstance(found, dict) else {}
        self.check(values, "a counter needs an object of values")
        self.check(all(type(value) in (int, float) for value in values.values()), "a value is a number")
        self.runs_forward(event, event["name"])

    def begin(self, event: dict[str, Any]) -> None:
        self.open.setdefault(event["tid"], []).append(event["name"])
        self.runs_forward(event, "slices")

    def end(self, event: dict[str, Any]) -> None:
        opened = self.open.get(event["tid"])
        self.check(opened and opened.pop() == event["name"], "an end closes the slice that began last")
        self.runs_forward(event, "slices")

    def runs_forward(self, event: dict[str, Any], track: str) -> None:
        now = _nanoseconds(event)
        self.check(now >= self.last.get((event["tid"], track), 0), "a track runs forward in time")
        self.last[event["tid"], track] = now


def broken_rules(text: str) -> list[str]:
    """Return what Perfetto's importer would refuse of a trace file, drop, or put in a wrong place."""
    whole = json.loads(text)
    importer = _Importer()
    known = list(whole) == ["displayTimeUnit", "traceEvents"]
    importer.check(known, "after a key it does not know nothing is read, and the unit only before the events")
    importer.check("\\u" not in text, "an escape of four digits in a string ends the reading")
    for event in whole["traceEvents"]:
        importer.read(event)
    importer.check(not any(importer.open.values()), "a slice never ends")
    return importer.broken


def test_the_trace_file_has_a_counter_track_an_arm_and_the_parts_as_slices() -> None:
    events = json.loads(trace_file(_run("grad", "no_grad")))["traceEvents"]
    names = {event["pid"]: event["args"]["name"] for event in events if event["name"] == "process_name"}
    assert names == {
        1: "grad_mode/nets:make/eval/cpu-float32-b1, grad",
        2: "grad_mode/nets:make/eval/cpu-float32-b1, no_grad",
    }
    first = [event for event in events if event["pid"] == 1]
    counters = [(event["ts"], event["args"]["bytes"]) for event in first if event["ph"] == "C"]
    assert counters == [(0, 0), (500, 4096), (1000, 8192), (1000, 16384), (3500, 0)]
    assert [(event["ph"], event["name"], event["ts"]) for event in first if event["ph"] in "BE"] == [
        ("B", "forward", 0),
        ("E", "forward", 1000),
        ("B", "backward", 1000),
        ("E", "backward", 3000),
        ("B", "optimizer", 3000),
        ("E", "optimizer", 4000),
    ]


def test_perfetto_drops_none_of_it() -> None:
    assert broken_rules(trace_file(_run("grad", "no_grad"))) == []


@pytest.mark.parametrize("model", ["modèle:faire", "a\nb\x07c", 'quote"back\\slash', "模型:做"])
def test_names_of_any_kind_reach_the_viewer(model: str) -> None:
    text = trace_file(_run("grad", model=model))

    assert broken_rules(text) == []
    named = json.loads(text)["traceEvents"][0]["args"]["name"]
    assert named == f"grad_mode/{model}/eval/cpu-float32-b1, grad".replace("\n", " ").replace("\x07", " ")


def test_parts_do_not_overlap_when_times_are_cut_to_nanoseconds() -> None:
    # 12.345 us are 12344 ns where 1e-6 and 1000 are multiplied in floating point, and 12345 where not.
    marks = tuple(step * 12.345e-6 for step in range(64))
    line = Allocated(
        parts=tuple(f"part {step}" for step in range(63)), marks=marks, times=(0.0,), levels=(1,)
    )
    text = trace_file(_run("grad", line=line))
    slices = [event for event in json.loads(text)["traceEvents"] if event["ph"] in "BE"]

    assert broken_rules(text) == []
    ends = [(event["name"], _nanoseconds(event)) for event in slices if event["ph"] == "E"]
    begins = [(event["name"], _nanoseconds(event)) for event in slices if event["ph"] == "B"]
    assert [time for _, time in ends[:-1]] == [time for _, time in begins[1:]]


def _spoiled(change: dict[str, Any], place: int) -> str:
    whole = json.loads(trace_file(_run("grad")))
    whole["traceEvents"][place] |= change
    return json.dumps(whole, ensure_ascii=False)


@pytest.mark.parametrize(
    ("change", "place", "rule"),
    [
        ({"args": {"bytes": None}}, -1, "a value is a number"),
        ({"args": 3}, -1, "a counter needs an object of values"),
        ({"ts": None}, -1, "an event without a time is a tokenizer failure"),
        ({"ts": 1}, -1, "a track runs forward in time"),
        ({"tid": 0}, -1, "process and thread 0 are the idle ones, and text is a hack"),
        ({"pid": 7}, -1, "a thread belongs to one process"),
        ({"name": "other"}, 4, "an end closes the slice that began last"),
        ({"ph": "B"}, 4, "a slice never ends"),
    ],
)
def test_the_rules_find_what_breaks_them(change: dict[str, Any], place: int, rule: str) -> None:
    assert rule in broken_rules(_spoiled(change, place))
