"""Why a pass under `no_grad` holds as much as one with a graph, where it does."""


def why_nothing_is_spared(nodes: int, saved: int, nodes_no_grad: int) -> str:
    """Return the reason, from what a pass recorded.

    Args:
        nodes: autograd nodes behind what the pass returns.
        saved: bytes that its graph saved and that it alone holds.
        nodes_no_grad: autograd nodes of the same pass under `no_grad`.

    >>> why_nothing_is_spared(nodes=5, saved=64, nodes_no_grad=5)
    'the pass records under no_grad too, such as in a region of torch.enable_grad() or in another thread'
    """
    if nodes_no_grad:
        return (
            "the pass records under no_grad too, such as in a region of torch.enable_grad() or in another"
            " thread"
        )
    if not nodes:
        return (
            "what the pass returns hangs on no graph: it is detached, or made under no_grad, or all that it"
            " depends on is frozen"
        )
    if not saved:
        return (
            "all that the graph holds would be there without it: parameters, inputs, outputs, and what the"
            " model keeps"
        )
    return "the pass holds as much without a graph, in what it returns or keeps"
