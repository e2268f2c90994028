"""Precision: half the bytes a number, in the whole model or in the operations of an autocast region."""

from dataclasses import dataclass

import torch

from harness.fitting.levers.lever import TrainingSetup, Undo


@dataclass(frozen=True, slots=True)
class Precision:
    """Compute in bfloat16: "autocast" keeps the weights as they are, "bfloat16" turns them too."""

    dtype: str

    @property
    def gives_up(self) -> str:
        """16 of 24 bits of a number's significand."""
        return "bfloat16 throughout" if self.dtype == "bfloat16" else "bfloat16 in matrix products (autocast)"

    @property
    def lines(self) -> tuple[str, ...]:
        """A cast before the optimizer is made, or a region around the forward pass."""
        if self.dtype == "bfloat16":
            return ("model.to(torch.bfloat16)  # before the optimizer is made; inputs likewise",)
        return (
            "# around the forward pass and the loss:",
            "#   with torch.autocast(inputs.device.type, dtype=torch.bfloat16):",
        )

    def apply(self, training: TrainingSetup) -> Undo:
        """Cast floating-point parameters and buffers in place, or ask for an autocast region."""
        autocast, casts = training.autocast, training.casts_inputs
        originals: list[tuple[torch.Tensor, torch.Tensor]] = []
        if self.dtype == "autocast":
            training.autocast = torch.bfloat16
        else:
            for tensor in (*training.module.parameters(), *training.module.buffers()):
                if tensor.is_floating_point():
                    originals.append((tensor, tensor.data))
                    tensor.data = tensor.data.to(torch.bfloat16)
            training.casts_inputs = torch.bfloat16

        def undo() -> None:
            training.autocast, training.casts_inputs = autocast, casts
            for tensor, data in originals:
                tensor.data = data

        return undo
