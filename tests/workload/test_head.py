"""Which submodule is the head, where some of a model is frozen."""

import copy

import torch
from torch import nn

from harness.workload.head import with_head
from harness.workload.model import Model


class Taught(nn.Module):
    """A student, and a frozen copy of it that comes later and follows it."""

    def __init__(self, *, in_the_graph: bool = False) -> None:
        super().__init__()
        self.student = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 4))
        self.teacher = copy.deepcopy(self.student).requires_grad_(requires_grad=False)
        self.in_the_graph = in_the_graph

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.in_the_graph:  # a write into a leaf, which torch allows where it needs no gradient
            for frozen, own in zip(self.teacher.parameters(), self.student.parameters(), strict=True):
                frozen.lerp_(own.detach(), 0.1)
        with torch.no_grad():
            target = self.teacher(x)
        return (self.student(x) - target).square().mean()


def head_of(module: nn.Module) -> str:
    return with_head(Model(module, (torch.ones(2, 8),))).head


def test_a_frozen_copy_that_runs_under_no_grad_is_no_head() -> None:
    module = Taught()

    assert head_of(module) == "student.1"
    assert [each.requires_grad for each in module.parameters()] == [True] * 4 + [False] * 4


def test_a_frozen_layer_that_the_output_depends_on_is_the_head() -> None:
    module = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 4).requires_grad_(requires_grad=False))

    assert head_of(module) == "1"
    assert not module[1].weight.requires_grad


def test_where_a_pass_writes_into_what_is_frozen_that_may_be_the_head() -> None:
    module = Taught(in_the_graph=True)
    before = module.teacher[1].weight.clone()

    assert head_of(module) == "teacher.1"
    assert torch.equal(module.teacher[1].weight, before)


def test_whole_numbers_that_cannot_be_trained_are_no_obstacle() -> None:
    module = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 4))
    module[0].levels = nn.Parameter(torch.arange(4), requires_grad=False)

    assert head_of(module) == "1"


class Pooled(nn.Module):
    """Returns what its loss is of, and a pooled form of it that nothing uses."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(8, 8)
        self.last = nn.Linear(8, 4)
        self.pooler = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        hidden = self.last(self.body(x))
        return hidden, self.pooler(hidden)


def test_a_layer_that_the_loss_leaves_out_is_no_head() -> None:
    assert head_of(Pooled()) == "last"
