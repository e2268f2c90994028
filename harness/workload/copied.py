"""A model that is copied anew for every layout, so that its Python objects move in memory too."""

import copy
from random import Random

from harness.workload.model import Model

_MOST_PADS = 64
_LARGEST_PAD = 512  # bytes; Python keeps larger objects elsewhere


class CopiedModel:
    """The forward pass of an own copy of a model.

    Where the objects around the tensors lie, modules, dictionaries and the tensors' headers, is worth up to
    0.3 % of a call of 0.1 ms, which moving the tensors' data does not vary. A copy does.
    """

    __slots__ = ("_copy", "_model")

    def __init__(self, model: Model) -> None:
        """Copy the model, which is not run itself."""
        self._model = model
        self._copy = copy.deepcopy(model)

    def __call__(self) -> object:
        """Run the forward pass of the latest copy."""
        return self._copy()

    def relocate(self, rng: Random) -> object:
        """Copy the model once more, among objects of random size, and move the copy's tensors.

        Returns:
            The last copy: while it is kept, the next ones of both sides lie elsewhere.
        """
        old = self._copy
        pads = [bytearray(rng.randrange(_LARGEST_PAD)) for _ in range(rng.randrange(_MOST_PADS))]
        self._copy = copy.deepcopy(self._model)
        del pads
        self._copy.relocate(rng)
        return old


def copied(model: Model) -> CopiedModel | None:
    """Return the model as one that is copied for every layout; None where it cannot be copied."""
    try:
        return CopiedModel(model)
    except (RuntimeError, TypeError, NotImplementedError):
        # A module may hold what has no copy: a tensor with history, a lock, a file, a lazy parameter.
        return None
