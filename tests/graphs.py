"""The graph of a forward pass, for tests that look at it alone."""

from collections.abc import Callable

from torch import nn

from harness.measure.graph import Graph
from harness.measure.observe import Observation
from harness.workload.model import Model
from harness.workload.step import Part, Step


def record_graph(forward: Callable[[], object], module: nn.Module, inputs: tuple[object, ...]) -> Graph:
    """Return what a forward pass recorded."""
    return Observation(Step((Part("forward", forward),), Model(module, inputs), forward)).graph
