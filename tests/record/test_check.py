"""What no measurement gives is refused, by name."""

import json
from typing import Any

import pytest
import runs

from harness.record.codec import UnreadableError, decode_run, encode


def changed(change: str) -> bytes:
    data: dict[str, Any] = json.loads(
        encode(runs.run(runs.record(runs.case(), runs.timed("grad", [1.0, 2.0]), runs.arm("no_grad"))))
    )
    record = data["records"][0]
    arm = record["arms"][0]
    samples = arm["timings"][0]
    changes = {
        "case twice": lambda: data["records"].append(record),
        "arm twice": lambda: record["arms"].append(arm),
        "metric twice": lambda: data["metrics"].append(data["metrics"][0]),
        "negative bytes": lambda: arm["counts"].update(peak=-1),
        "bytes that are null": lambda: arm["counts"].update(peak=None),
        "half a byte": lambda: arm["counts"].update(peak=0.5),
        "unknown metric": lambda: arm["counts"].update(pace=1),
        "unknown timing": lambda: samples.update(metric="pace"),
        "time of 0": lambda: samples.update(arm=[[0.0], [1.0]]),
        "negative time": lambda: samples.update(reference=[[-1.0], [1.0]]),
        "not paired": lambda: samples.update(arm=[[1.0, 2.0], [1.0]]),
        "no samples": lambda: samples.update(arm=[], reference=[]),
        "negative saved": lambda: arm.update(
            books={"retained": 0, "retained_no_grad": 0, "saved": -8, "scalars": 0}
        ),
    }
    changes[change]()
    return json.dumps(data).encode()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("case twice", "case 'grad_mode/mlp/eval/cpu-float32-b8' is there twice"),
        ("arm twice", "arm 'grad' is there twice"),
        ("metric twice", "metric 'time' is declared twice"),
        ("negative bytes", "'peak' is -1; it cannot be negative"),
        ("bytes that are null", "Expected `int`, got `null`"),
        ("half a byte", "Expected `int`, got `float`"),
        ("unknown metric", "'pace' is not among the run's metrics"),
        ("unknown timing", "'pace' is not among the run's metrics"),
        ("time of 0", "a sample of 'time' is not above 0"),
        ("negative time", "a sample of 'time' is not above 0"),
        ("not paired", "the samples of 'time' are not paired"),
        ("no samples", "'time' has a layout without samples"),
        ("negative saved", "the books hold -8 saved"),
    ],
)
def test_it_is_refused_in_one_line(change: str, says: str) -> None:
    with pytest.raises(UnreadableError) as refused:
        decode_run(changed(change), "run.json")

    assert says in str(refused.value)
    assert str(refused.value).startswith("run.json ")
    assert "\n" not in str(refused.value)


def test_what_the_books_leave_over_may_be_negative() -> None:
    data = json.loads(encode(runs.run()))
    data["metrics"].append(
        {"name": "left", "unit": "B", "better": "lower", "kind": "exact", "meaning": "left over"}
    )
    arm = data["records"][0]["arms"][0]
    arm["counts"]["left"] = -64
    arm["books"] = {"retained": 36, "retained_no_grad": 100, "saved": 0, "scalars": 0}

    assert decode_run(json.dumps(data).encode()).records[0].arms[0].counts["left"] == -64


@pytest.mark.parametrize("schema", ["0", "-1"])
def test_a_format_that_never_was_is_refused(schema: str) -> None:
    with pytest.raises(UnreadableError, match="formats 1 to"):
        decode_run(encode(runs.run()).replace(b'"schema":1', f'"schema":{schema}'.encode()))
