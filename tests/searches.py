"""A search for a step that fits, as it is stored."""

from harness.record.fit import FitCandidate, FitSearch, FitTrial, Proof, Weight

MIB = 1024**2
UNTOUCHED = FitTrial(FitCandidate(), 100 * MIB, 100 * MIB)
PLAN = FitTrial(
    FitCandidate(checkpointed=(2, 3, 4, 5), update="for-loop"),
    61 * MIB,
    60 * MIB,
    ratio=1.21,
    low=1.18,
    high=1.24,
    verdict="worse",
    step_s=0.5,
)
FROZEN = FitTrial(FitCandidate(frozen=3), 50 * MIB, 50 * MIB)
FOUND = FitSearch(
    target="net",
    setting="AdamW, float32, cpu, batch 8, train",
    limit=64 * MIB,
    allowed=("freeze",),
    untouched=UNTOUCHED,
    plan=PLAN,
    trials=(
        UNTOUCHED,
        PLAN,
        FROZEN,
        FitTrial(FitCandidate(micro_batches=2), reason="the step ran out of memory"),
    ),
    blocks=("a.0", "a.1", "a.2", "a.3", "a.4", "a.5"),
    weights=(Weight("saved", 40 * MIB), Weight("parameters", 10 * MIB)),
    proof=Proof(held=True, sentence="weights equal the untouched step's bit for bit"),
    notes=("micro-batches left out: BatchNorm",),
    lines=("for path in ('a.2',):", "    pass"),
    passes=31.4,
    took_s=12.0,
    batch_size=8,
    limit_text="64 MiB",
)
