"""Models that build parts of themselves in their first call, by plain code: they are called once."""

from collections.abc import Callable
from functools import partial

import torch

from harness.workload.generators import random_state_kept
from harness.workload.model import Model, materialize
from harness.workload.state import ModelState


def made_whole(
    name: str, build: Callable[[int], Model], sample: Model
) -> tuple[Callable[[int], Model], tuple[str, ...]]:
    """Return what builds models that have all their parts, and what is to be said of it.

    Args:
        name: of the model.
        build: makes one for a batch of some size.
        sample: one that it made, which is called here and left as it was.
    """
    parts = _parts_built(sample)
    if not parts:
        return build, ()
    named = parts[0] if len(parts) == 1 else f"{parts[0]} and {len(parts) - 1} more"
    said = f"{name} builds {named} in its first call; every arm calls it once before it is measured"
    return partial(_called_once, build), (said,)


def _parts_built(model: Model) -> tuple[str, ...]:
    """Return the paths of modules and parameters that a call builds; none where the call fails."""
    with random_state_kept(), torch.enable_grad():
        try:
            if materialize(model):  # torch's own lazy modules, which are seen to
                return ()
            state = ModelState.of(model)
        except (Exception, SystemExit):  # noqa: BLE001 (whatever the model raises: whoever measures it meets the failure)
            return ()
        try:
            model()
        except (Exception, SystemExit):  # noqa: BLE001 (as above)
            return ()
        else:
            return state.built()
        finally:
            state.restore()


def _called_once(build: Callable[[int], Model], batch_size: int) -> Model:
    model = build(batch_size)
    with random_state_kept(), torch.enable_grad():
        model()
    return model
