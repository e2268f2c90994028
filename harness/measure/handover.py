"""The model as it is measured, where that is not as it was handed over; and what is said of it."""

from collections.abc import Iterator
from dataclasses import replace

from torch import nn

from harness.measure.plan import Plan
from harness.workload.model import Model
from harness.workload.models import Entry

_NAMED = 3  # paths that a line holds


def wanted(entry: Entry, plan: Plan) -> Entry:
    """Return the entry with what the plan asks for: a loss, arms by pattern, submodules in train mode."""

    def build(batch_size: int) -> Model:
        model = entry.build(batch_size)
        if plan.setting.mode == "train":
            model.module.train()
        return model if plan.loss is None else replace(model, loss=plan.loss)

    return replace(entry, build=build, trainable=plan.setting.trainable)


def changes(entry: Entry, plan: Plan, module: nn.Module, *, trains: bool) -> Iterator[str]:
    """Say what is not as it was handed over: modes, dtype.

    Args:
        entry: the model.
        plan: what is asked of it.
        module: as it was built.
        trains: whether a training step of it can be made.
    """
    yield from _modes(entry, plan, module, trains=trains)
    dtype, own = plan.setting.dtype, entry.dtype
    if dtype and dtype != own:
        how = "under autocast to bfloat16" if dtype == "autocast" else f"cast to {dtype}"
        yield f"measured {how}, as asked for; the model is handed over in {own}"


def _modes(entry: Entry, plan: Plan, module: nn.Module, *, trains: bool) -> Iterator[str]:
    resting = [path for path, child in module.named_modules() if path and not child.training]
    if module.training and resting:
        more = f" and {len(resting) - _NAMED} more" if len(resting) > _NAMED else ""
        names = ", ".join(resting[:_NAMED]) + more
        yield f"in eval mode, as handed over, also where the model trains: {names} (--train changes that)"
    own = entry.mode
    if not own:
        return
    mode = plan.setting.mode or own
    if mode != own:
        yield f"the model is put into {mode} mode, as asked for; it is handed over in {own} mode"
    elif own == "train" and not plan.setting.mode and any(map(_differs_in_eval, module.modules())):
        yield "forward passes are in train mode, as handed over; --eval shows what an evaluation takes"
    elif own == "eval" and trains and plan.trains and not plan.setting.mode:
        yield "the model is put into train mode for training steps; it is handed over in eval mode"


# Classes that do something else in eval mode; an attention or encoder layer takes another path there.
_OF_MODE = (
    *(nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout),
    *(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm, nn.RReLU),
    *(nn.MultiheadAttention, nn.TransformerEncoderLayer),
)


def _differs_in_eval(module: nn.Module) -> bool:
    return isinstance(module, _OF_MODE)
