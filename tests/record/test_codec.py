"""Files once written load for ever; what is no run is refused in one sentence."""

from pathlib import Path

import msgspec
import pytest

from harness.record.codec import UnreadableError, decode_record, decode_run, encode
from harness.record.schema import (
    SCHEMA,
    ArmResult,
    Block,
    Books,
    Case,
    Environment,
    Group,
    Metric,
    Record,
    Run,
    Samples,
)

GOLDEN = Path(__file__).parent.parent / "golden"

# Every field of format 1, none at its default where it has one that could hide a loss.
RUN = Run(
    schema=1,
    id="2026-11-23T051500Z-torch2.13.0-cpu",
    environment=Environment(
        harness="0.1.0",
        torch="2.13.0",
        build="cpu",
        python="3.11.2",
        platform="Linux-6.1-x86_64-with-glibc2.36",
        processor="A Processor",
        cpu_capability="AVX512",
        threads=1,
        interop_threads=2,
        device="2 cores of A Processor",
        commit="1e3b556+",
        started="2026-11-23T05:15:00+00:00",
        load=0.12,
        packages={"numpy": "2.4.6", "transformers": "5.23.0"},
    ),
    metrics=(
        Metric("time", "s", "lower", "noisy", "seconds a call of the whole step"),
        Metric("peak", "B", "lower", "exact", "highest allocated bytes above the start of the step"),
        Metric("nodes", "1", "lower", "exact", "autograd nodes behind what the forward pass returns"),
        Metric("rss", "B", "lower", "witness", "resident bytes a step adds at its peak"),
    ),
    records=(
        Record(
            case=Case(
                question="grad_mode",
                model="mlp-relu",
                device="cpu",
                dtype="float32",
                batch_size=64,
                mode="eval",
                variant="",
            ),
            asks="What does recording the graph cost a forward pass?",
            reference="grad",
            columns=("peak", "nodes"),
            arms=(
                ArmResult(
                    arm="grad",
                    counts={"peak": 393216, "nodes": 14, "rss": 401408},
                    timings=(
                        Samples(
                            metric="time",
                            calls=13,
                            reference=((7.25e-05, 7.26e-05), (7.3e-05, 7.31e-05)),
                            arm=((7.24e-05, 7.27e-05), (7.29e-05, 7.33e-05)),
                            unit="draw",
                            measured_s=0.4,
                            pass_s=0.5,
                        ),
                    ),
                    groups=(
                        Group(
                            name="decayed",
                            weight_decay=0.01,
                            tensors=3,
                            parameters=398336,
                            state_bytes=3186700,
                        ),
                    ),
                    books=Books(retained=264704, retained_no_grad=2560, saved=262000, scalars=8),
                    blocks=(Block(bytes=136, operator="aten::mul", module="0"),),
                    timeline=((0.0, 0.0), (0.001, 401408.0)),
                    warnings=("the model's output holds NaN",),
                ),
                ArmResult(arm="no_grad", status="failed", reason="RuntimeError: out of memory"),
            ),
        ),
    ),
    complete=False,
    command="pytest bench/ --benchmark-only",
    floor=0.005,
)


def test_the_first_format_loads_for_ever() -> None:
    assert decode_run((GOLDEN / "run-1.json").read_bytes()) == RUN


def test_every_format_so_far_has_a_golden_file() -> None:
    assert [(GOLDEN / f"run-{number}.json").exists() for number in range(1, SCHEMA + 1)] == [True] * SCHEMA


def test_a_run_comes_back_as_it_was() -> None:
    assert decode_run(encode(RUN)) == RUN


def test_a_record_comes_back_as_it_was() -> None:
    assert decode_record(encode(RUN.records[0])) == RUN.records[0]


def test_a_sample_comes_back_to_the_last_bit() -> None:
    seconds = 0.1 + 0.2
    timing = Samples(metric="time", calls=1, reference=((seconds,),), arm=((5e-324,),))
    record = msgspec.structs.replace(RUN.records[0], arms=(ArmResult(arm="grad", timings=(timing,)),))

    assert decode_record(encode(record)).arms[0].timings[0] == timing


def test_a_field_of_a_later_patch_does_not_stop_the_reader() -> None:
    data = encode(RUN).replace(b'"command":', b'"colour":"blue","command":')

    assert b"colour" in data
    assert decode_run(data) == RUN


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "it is not a run file: Input data was truncated"),
        (b"PK\x03\x04", "it is not a run file: JSON is malformed"),
        (b"[1, 2]", "it is not a run file: Expected `object`, got `array`"),
        (b"{}", "it is not a run file: it has no field `schema`"),
        (b'{"schema": 1}', "it is not a run file: Object missing required field `id`"),
        (b'{"schema": 99}', "it has format 99, newer than 1, which is read here: upgrade autograd-harness"),
    ],
)
def test_what_is_no_run_is_refused_in_one_sentence(data: bytes, message: str) -> None:
    with pytest.raises(UnreadableError) as refusal:
        decode_run(data, "it")

    assert str(refusal.value).startswith(message)
    assert "\n" not in str(refusal.value)


def test_half_a_record_is_refused_with_its_name() -> None:
    with pytest.raises(UnreadableError, match=r"^000000\.json is not a record: Input data was truncated"):
        decode_record(encode(RUN.records[0])[:100], "000000.json")
