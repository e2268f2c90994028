"""Claims about which memory `no_grad` is good for: not that of gradients, and not what is held already."""

from harness.claims.claim import Evidence, Lab, claim
from harness.claims.no_grad import REAL, World, model_of
from harness.claims.record import Check, Number
from harness.measure.recording import trace
from harness.workload.model import Model
from harness.workload.tensors import bytes_of


@claim(
    "N9",
    "`no_grad` avoids the memory that storing gradients takes.",
    "A forward pass of every built-in model with its loss, with recording and inside the context: what it "
    "holds at its end, and how much of what the context spares are gradients; then what backward leaves "
    "in `.grad`.",
)
def spares_gradients(lab: Lab, world: World = REAL) -> Evidence:
    """Look for gradients among what no_grad spares."""
    checks, numbers = [], []
    for name in lab.own_models:
        model = model_of(name, lab, "train")
        recorded, gradients = _held_by_forward(model, world)
        with world.no_grad():
            spared = recorded - _held_by_forward(model, world)[0]
        model.loss_of_forward().backward()  # type: ignore[no-untyped-call]
        checks.append(
            Check(
                where="what it spares are gradients",
                place=name,
                says=f"{name}: a forward pass holds {spared:,} B less; gradients among them: {gradients:,} B",
                holds=gradients > 0 and gradients >= spared,
            )
        )
        numbers += [
            Number(name=f"{name}: spared by no_grad", value=spared, unit="B"),
            Number(name=f"{name}: gradients after forward", value=gradients, unit="B"),
            Number(name=f"{name}: gradients after backward", value=_gradient_bytes(model), unit="B"),
        ]
    return Evidence(tuple(checks), tuple(numbers))


def _held_by_forward(model: Model, world: World) -> tuple[int, int]:
    """Return the bytes that a forward pass holds at its end, and those of gradients that there are then."""

    def drop() -> None:
        model.module.zero_grad(set_to_none=True)

    held = trace([drop, lambda: world.record(model)]).stretch(1).retained_bytes()
    return held, _gradient_bytes(model)


def _gradient_bytes(model: Model) -> int:
    return sum(bytes_of(each.grad) for each in model.module.parameters() if each.grad is not None)


@claim(
    "N10",
    "Entering `no_grad` frees memory.",
    "A forward pass of every built-in model is recorded and held; then the context is entered and left, a "
    "second pass runs inside it, and at last the recorded result is dropped: what each of the three frees, "
    "from the allocator's own events.",
)
def frees_memory(lab: Lab, world: World = REAL) -> Evidence:
    """Hold a graph, enter the context, and look at what is freed."""
    checks, numbers = [], []
    for name in lab.own_models:
        held, entered, inside, dropped = _freed(model_of(name, lab, "train"), world)
        says = (
            f"{name}: of {held:,} B that a recorded pass holds, entering frees {entered:,} B, a pass inside "
            f"{inside:,} B, dropping the recorded result {dropped:,} B"
        )
        checks.append(
            Check(where="memory that is held already", place=name, says=says, holds=entered + inside > 0)
        )
        numbers.append(Number(name=f"{name}: freed by entering", value=entered, unit="B"))
        numbers.append(Number(name=f"{name}: freed by dropping the result", value=dropped, unit="B"))
    return Evidence(tuple(checks), tuple(numbers))


def _freed(model: Model, world: World) -> tuple[int, int, int, int]:
    """Return what a recorded pass holds; and what entering, a pass inside and dropping the result free."""
    results: list[object] = []

    def enter() -> None:
        with world.no_grad():
            pass

    def pass_inside() -> None:
        with world.no_grad():
            model()

    seen = trace([lambda: results.append(world.record(model)), enter, pass_inside, results.clear])
    held, *changes = (seen.stretch(number).retained_bytes() for number in range(4))
    entered, inside, dropped = (-change for change in changes)
    return held, entered, inside, dropped
