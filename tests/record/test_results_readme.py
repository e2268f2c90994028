"""The documentation of stored files says what is so."""

import dataclasses
import re
import tomllib
from pathlib import Path

import msgspec

from harness.judge.limits import read_limits
from harness.record.baseline import BASELINE_FORMAT, decode_baseline
from harness.record.schema import SCHEMA, ArmResult, Environment, Metric, Record, Run

README = (Path(__file__).parents[2] / "results" / "README.md").read_text(encoding="utf-8")


def test_every_field_of_a_run_is_listed() -> None:
    words = set(re.findall(r"`([a-z_]+)`", README))

    assert {field.name for field in msgspec.structs.fields(Run)} <= words
    assert {field.name for field in dataclasses.fields(Metric)} <= words
    assert {field.name for field in msgspec.structs.fields(Record)} <= words
    assert {field.name for field in msgspec.structs.fields(ArmResult)} <= words
    assert f"the format, {SCHEMA} |" in README
    assert "cores" in {field.name for field in msgspec.structs.fields(Environment)}


def test_the_baseline_that_is_shown_loads() -> None:
    shown = re.search(r"```json\n(\{\n\"format\".*?\]\})\n```", README, re.DOTALL)
    assert shown is not None
    baseline = decode_baseline(shown[1].encode())

    assert baseline.key.name == "torch2.13.0-cpu-1t-float32-cpu-AVX2"
    assert f'"format": {BASELINE_FORMAT}' in shown[1]


def test_the_configuration_that_is_shown_is_read() -> None:
    shown = re.search(r"```toml\n(.*?)```", README, re.DOTALL)
    assert shown is not None
    limits = read_limits(tomllib.loads(shown[1]))

    assert (len(limits.budgets), len(limits.allowances), len(limits.residuals)) == (1, 2, 1)
