"""The question behind a freezing curve: what does freezing the first k blocks save, for every k?"""

from harness.record.measured import Case
from harness.workload.blocks import Blocks
from harness.workload.model import Model
from harness.workload.question import Question
from harness.workload.step import Part, Step
from harness.workload.training import training_step

NAME = "freezing_curve"
MOST_PLACES = 16  # a curve needs no more
FEWEST_PLACES = 5  # nothing, a quarter, half, three quarters, all


def places(blocks: int, most: int = MOST_PLACES) -> tuple[int, ...]:
    """Return how many blocks are frozen at each place of the curve: all, or evenly spaced ones.

    >>> places(3), places(12, 5)
    ((0, 1, 2, 3), (0, 3, 6, 9, 12))
    """
    if blocks < most:
        return tuple(range(blocks + 1))
    step = blocks / (most - 1)
    return tuple(round(step * index) for index in range(most))


def arm_name(frozen: int, blocks: int) -> str:
    """Return the name of the arm that freezes that many of the blocks."""
    return f"first {frozen} of {blocks} frozen" if frozen else "nothing frozen"


def arms_of(blocks: int, most: int = MOST_PLACES) -> dict[str, int]:
    """Return the arms of a curve of so many places at most, and how many blocks each freezes."""
    return {arm_name(frozen, blocks): frozen for frozen in places(blocks, most)}


def curve_question(blocks: Blocks) -> Question:
    """Return the question whose arms freeze the first k of a model's blocks, k = 0 the reference.

    With a block freezes all that runs before it.
    """
    number = len(blocks.paths)
    frozen_by_arm = {arm_name(frozen, number): frozen for frozen in range(number + 1)}

    def build(_case: Case, arm: str, model: Model) -> Step:
        frozen = blocks.before[frozen_by_arm[arm]]
        for name, parameter in model.module.named_parameters():
            if name in frozen:
                parameter.requires_grad = False
        if any(parameter.requires_grad for parameter in model.module.parameters()):
            return training_step(model)
        return Step((Part("forward", model.loss_of_forward),), model, model.loss_of_forward)

    return Question(
        name=NAME,
        asks="What does freezing the first blocks of the model save in a training step?",
        arms=lambda _entry: tuple(arms_of(number)),
        cells=lambda _entry, _every: (),
        build=build,
        models=(),
        columns=("peak", "saved", "gradients"),
        arms_are_undone=True,
    )
