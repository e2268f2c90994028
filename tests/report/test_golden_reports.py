"""Every format of one regression, byte for byte, and against the format's own schema."""

import json
import os
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import runs
import xmlschema

from harness.judge.comparison import compare_runs
from harness.judge.finding import Outcome
from harness.judge.gate import gate
from harness.judge.limits import Limits
from harness.judge.listing import listing
from harness.judge.renewal import replacements
from harness.judge.trend import trend
from harness.record.baseline import decode_baseline, encode_baseline
from harness.report.comparison_page import comparison_page
from harness.report.tables import environment_lines
from harness.report.trend_text import trend_json, trend_text
from harness.report.written import WRITERS, gate_text, written

GOLDEN = Path(__file__).parents[1] / "golden"


def gated() -> Outcome:
    base, head = runs.regressed()
    outcome = gate(head, {item.key.name: item for item in replacements([base], {})}, Limits())
    return replace(outcome, environment=environment_lines(head.environment))


def compared() -> Outcome:
    base, head = runs.regressed()
    return compare_runs(listing(base, "base.json"), listing(head, "head.json"))


def history() -> list[runs.Run]:
    return [
        runs.run(
            runs.record(runs.case(), runs.arm("grad", peak=4096 if day < 4 else 4100)),
            id=f"run-{day}",
            environment=runs.environment(started=f"2026-01-0{day}T00:00:00+00:00"),
        )
        for day in range(1, 7)
    ]


FORMATS: dict[str, Callable[[], str]] = {
    "gate.txt": lambda: gate_text([gated()], {}, ""),
    "gate.md": lambda: WRITERS["markdown"]((), [gated()]),
    "gate.json": lambda: WRITERS["json"]((), [gated()]),
    "gate.junit.xml": lambda: WRITERS["junit"]((), [gated()]),
    "gate.html": lambda: comparison_page([gated()]),
    "compare.txt": lambda: written([compared()], "text"),
    "compare.md": lambda: written([compared()], "markdown"),
    "compare.junit.xml": lambda: written([compared()], "junit"),
    "bencher.json": lambda: WRITERS["bencher"]([runs.regressed()[1]], ()),
    "smaller_is_better.json": lambda: WRITERS["smaller_is_better"]([runs.regressed()[1]], ()),
    "baseline-1.json": lambda: encode_baseline(next(iter(replacements([runs.regressed()[0]], {})))).decode(),
    "trend.txt": lambda: trend_text(trend(history())),
    "trend.json": lambda: trend_json(trend(history())),
}


FOR_EVER = {"baseline-1.json"}  # what older versions wrote, which is never written anew


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_is_what_it_was(name: str) -> None:
    golden = GOLDEN / "reports" / name
    if os.environ.get("GOLDEN") == "renew" and name not in FOR_EVER:  # `make golden`
        golden.write_text(FORMATS[name](), encoding="utf-8")

    assert FORMATS[name]() == golden.read_text(encoding="utf-8")


def test_the_first_baseline_format_loads_for_ever() -> None:
    baseline = decode_baseline((GOLDEN / "reports" / "baseline-1.json").read_bytes())

    assert baseline.key.cpu_capability == "AVX2"
    assert baseline.values["grad_mode/lstm/eval/cpu-float32-b8", "grad"]["peak"] == 4096


@pytest.mark.parametrize("name", ["gate.junit.xml", "compare.junit.xml"])
def test_junit_is_valid_by_its_schema(name: str) -> None:
    schema = xmlschema.XMLSchema(str(GOLDEN / "junit.xsd"))
    root = ET.fromstring(FORMATS[name]())  # noqa: S314 (written here)

    schema.validate(root)
    suite = root.find("testsuite")
    assert suite is not None
    cases = suite.findall("testcase")
    assert int(suite.get("tests", "")) == len(cases)
    assert int(suite.get("failures", "")) == sum(case.find("failure") is not None for case in cases) > 0


def test_the_schema_refuses_what_is_no_junit() -> None:
    schema = xmlschema.XMLSchema(str(GOLDEN / "junit.xsd"))

    assert not schema.is_valid(
        "<testsuites><testsuite name='a' tests='two' failures='0' errors='0'/></testsuites>"
    )
    assert not schema.is_valid("<testsuites><verdict/></testsuites>")


def test_bencher_gets_numbers_by_benchmark_and_measure() -> None:
    table = json.loads(FORMATS["bencher.json"]())

    measures = table["grad_mode/mlp/eval/cpu-float32-b8: grad"]
    assert measures["peak-bytes"] == {"value": 4096}
    assert set(measures["time-s"]) == {"value"}
    measures = table["grad_mode/mlp/eval/cpu-float32-b8: no_grad"]
    assert set(measures["time-s"]) == {"value", "lower_value", "upper_value"}
    assert (
        measures["time-s"]["lower_value"] <= measures["time-s"]["value"] <= measures["time-s"]["upper_value"]
    )


def test_github_action_benchmark_gets_only_what_is_better_small() -> None:
    many = runs.run(runs.record(runs.case(), runs.arm("grad", reuse=7)))
    entries = json.loads(WRITERS["smaller_is_better"]([many], ()))

    assert {(entry["name"].rpartition(": ")[2], entry["unit"]) for entry in entries} == {
        ("peak", "bytes"),
        ("saved", "bytes"),
        ("operators", "count"),
    }
    assert all(set(entry) <= {"name", "unit", "value", "range", "extra"} for entry in entries)
