"""Runs made of literals, for tests of what reads runs."""

import msgspec

from harness.record.schema import (
    ArmResult,
    Books,
    Case,
    Environment,
    Group,
    Metric,
    Record,
    Run,
    Samples,
)

METRICS = (
    Metric("time", "s", "lower", "noisy", "seconds a call of the whole step"),
    Metric("peak", "B", "lower", "exact", "highest allocated bytes above the start of the step"),
    Metric("saved", "B", "lower", "exact", "unique storages that the forward pass saved for backward"),
    Metric("operators", "1", "lower", "exact", "operators dispatched in a step"),
    Metric("reuse", "1", "higher", "exact", "blocks that were taken from the cache"),
    Metric("rss", "B", "lower", "witness", "resident bytes"),
)


def environment(**changes: object) -> Environment:
    """Return an environment; keyword arguments change it."""
    return msgspec.structs.replace(
        Environment(
            harness="0.1.0",
            torch="2.13.0",
            build="cpu",
            python="3.11.7",
            platform="Linux-6.1-x86_64",
            processor="Processor 9000",
            cpu_capability="AVX2",
            threads=1,
            interop_threads=1,
            device="2 cores of Processor 9000",
            commit="0123456789ab",
            started="2026-01-02T03:04:05+00:00",
            load=0.1,
            packages={"numpy": "2.4.6"},
        ),
        **changes,
    )


def case(model: str = "mlp", **changes: object) -> Case:
    """Return a case of a model."""
    fields: dict[str, object] = {"question": "grad_mode", "batch_size": 8, **changes}
    return Case(model=model, **fields)  # type: ignore[arg-type]


def arm(name: str = "grad", **counts: int) -> ArmResult:
    """Return an arm with its counts, 4,096 B peak, 1,024 B saved and 10 operators unless told."""
    return ArmResult(arm=name, counts={"peak": 4096, "saved": 1024, "operators": 10, **counts})


def timed(name: str, seconds: list[float], reference: list[float] | None = None) -> ArmResult:
    """Return an arm with one sample a layout."""
    samples = Samples(
        metric="time",
        calls=1,
        reference=tuple((value,) for value in reference or seconds),
        arm=tuple((value,) for value in seconds),
    )
    return msgspec.structs.replace(arm(name), timings=(samples,))


def record(of: Case, *arms: ArmResult) -> Record:
    """Return a record; the first arm is the reference."""
    return Record(case=of, asks="What does it cost?", reference=arms[0].arm if arms else "", arms=arms)


def run(*records: Record, **changes: object) -> Run:
    """Return a run; without records, of one case with two arms."""
    fields: dict[str, object] = {
        "id": "run-1",
        "environment": environment(),
        "metrics": METRICS,
        "records": records or (record(case(), arm("grad"), arm("no_grad", saved=0)),),
        "command": "pytest bench --harness-budget 0",
        **changes,
    }
    return Run(**fields)  # type: ignore[arg-type]


def books(left: int) -> Books:
    """Return books that leave so many bytes unaccounted for."""
    return Books(retained=1000 + left, retained_no_grad=100, saved=892, scalars=8)


def group(name: str, parameters: int, weight_decay: float = 0.01) -> Group:
    """Return a parameter group."""
    return Group(
        name=name, weight_decay=weight_decay, tensors=1, parameters=parameters, state_bytes=8 * parameters
    )


STRANGER = "mlp|<script>alert(1)</script>\n@everyone #1 `x` www.example.org"


def regressed() -> tuple[Run, Run]:
    """Return a base and a head that differ in every way a report shows; one model has a hostile name."""
    seconds = [1e-3 + 1e-6 * place for place in range(12)]
    slow = [1.5 * value for value in seconds]
    base = run(
        record(case(), timed("grad", seconds), timed("no_grad", seconds)),
        record(case(STRANGER), arm("grad")),
        record(case("lstm"), arm("grad")),
        record(case("gone"), arm("grad")),
    )
    opened = msgspec.structs.replace(arm("grad"), books=books(64))
    head = run(
        record(case(), timed("grad", slow), timed("no_grad", seconds, slow)),
        record(case(STRANGER), arm("grad", peak=8192, saved=512)),
        record(
            case("lstm"), opened, ArmResult(arm="no_grad", status="failed", reason="RuntimeError: <b>no</b>")
        ),
        record(case("new"), arm("grad"), ArmResult(arm="fused", status="skipped", reason="torch refuses it")),
        id="run-2",
    )
    return base, head
