"""The metrics that views of one model are about: named here once, for who takes and who shows them."""

TIME = "time"  # of a whole step
PEAK = "peak"  # of a whole step
SAVED = "saved"  # by its forward pass
RETAINED = "retained"  # after its forward pass
GRADIENT_BYTES = "gradients"  # after its backward part
NODES = "nodes"  # of its graph
OPERATORS = "operators"  # dispatched in a step
WAITS = "waits"  # values read back in a step, for each of which the host waits for a device

# Who holds bytes of a step that no module holds; the others are named by their module's path.
TEMPORARIES = "(temporaries)"  # gone when the part of the step that made them ends
GRADIENTS = "(gradients)"  # what the backward part leaves
OPTIMIZER = "(made by the optimizer)"  # what the optimizer's part leaves
BEFORE = "(freed since the start)"  # what was there before

# What memory is at a peak that lasts from step to step, or until the optimizer has used it.
LASTING = ("parameters", "buffers", "inputs", "gradients", "optimizer state")


def short_name(operator: str) -> str:
    """Return the name of an operator, without torch's own namespace.

    >>> short_name("aten::reshape"), short_name("torchvision::nms")
    ('reshape', 'torchvision::nms')
    """
    return operator.removeprefix("aten::")
