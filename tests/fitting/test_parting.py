"""Which batches come apart: what eval mode would hide is seen."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from harness.fitting.levers.lever import LeverError
from harness.fitting.parting import scale_of_parts
from harness.workload.model import Model, mean_square


class Average(nn.Module):
    """Keeps a moving average of what it sees in train mode."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.register_buffer("average", torch.zeros(4))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.average.mul_(0.9).add_(rows.detach().mean(0), alpha=0.1)
        out: torch.Tensor = self.linear(rows)
        return out


class Centred(nn.Module):
    """Takes the mean over the batch in train mode alone."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.linear(rows)
        return out - out.mean(0) if self.training else out


class Penalty(nn.Module):
    """Differentiates inside its forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        (gradient,) = torch.autograd.grad(self.linear(rows).tanh().sum(), rows, create_graph=True)
        return gradient


def rows(number: int = 8) -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randn(number, 4)


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (Average, "every forward pass changes 'average'.*: allow batchnorm"),
        (Centred, "neither the mean nor the sum"),
        (lambda: nn.InstanceNorm1d(2, affine=True, track_running_stats=True), "changes 'running_mean'"),
    ],
)
def test_what_a_batch_shares_in_train_mode_is_seen(module: Callable[[], nn.Module], reason: str) -> None:
    made = module()
    inputs = rows().reshape(4, 2, 4) if isinstance(made, nn.InstanceNorm1d) else rows()
    before = {name: tensor.clone() for name, tensor in made.state_dict().items()}

    with pytest.raises(LeverError, match=reason):
        scale_of_parts(Model(made, (inputs,)), (0,), 2)

    assert all(torch.equal(tensor, before[name]) for name, tensor in made.state_dict().items())


def test_running_statistics_may_be_others_where_that_is_allowed() -> None:
    assert scale_of_parts(Model(Average(), (rows(),)), (0,), 2, buffers=False) is None


def test_a_model_that_differentiates_inside_comes_apart() -> None:
    inputs = rows().requires_grad_()

    assert scale_of_parts(Model(Penalty(), (inputs,)), (0,), 2) is None


def test_a_mean_with_weights_does_not_come_apart_though_it_nearly_does() -> None:
    weights = torch.linspace(0.99, 1.01, 8)

    def loss(output: object) -> torch.Tensor:
        assert isinstance(output, torch.Tensor)
        mine = weights if len(output) == 8 else weights[:4] if loss.first else weights[4:]
        loss.first = not loss.first
        return (output.square().mean(1) * mine).sum() / mine.sum()

    loss.first = True  # type: ignore[attr-defined]

    with pytest.raises(LeverError, match="neither the mean nor the sum"):
        scale_of_parts(Model(nn.Linear(4, 4), (rows(),), loss=loss), (0,), 2)


def test_a_loss_that_is_nan_is_said_to_be() -> None:
    model = Model(nn.Linear(4, 4), (rows(),), loss=lambda output: mean_square(output) * torch.nan)

    with pytest.raises(LeverError, match="the loss of a batch is NaN"):
        scale_of_parts(model, (0,), 2)
