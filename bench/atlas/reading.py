"""One chart: a subject's model, made small, and its books in both modes."""

import torch

from bench.atlas.candidates import RefusedError, Running, in_one_line, running
from bench.atlas.record import Chart, Mode, Reading, Subject
from bench.atlas.sources import candidates_of
from harness import Model, ledger
from harness.workload.tensors import bytes_of

_MOST_BLOCKS = 3
_SEED = 0


def chart(subject: Subject) -> Chart:
    """Build a subject small, and read its books; what cannot be done is a reason in one line."""
    torch.manual_seed(_SEED)
    try:
        found = running(candidates_of(subject))
    except RefusedError as error:
        return Chart(subject=subject, reason=str(error))
    return Chart(
        subject=subject,
        built=found.candidate.built,
        size=sum(bytes_of(parameter) for parameter in found.module.parameters()),
        inputs={
            name: tuple(value.shape)
            for name, value in found.inputs.items()
            if isinstance(value, torch.Tensor)
        },
        scale=found.candidate.scale,
        readings=(_read(found, "train"), _read(found, "eval")),
    )


def _read(found: Running, mode: Mode) -> Reading:
    if mode in found.refused:
        return Reading(mode=mode, reason=f"does not run in plain torch: {found.refused[mode]}")
    found.module.train(mode == "train")
    try:
        read = ledger(Model(found.module, found.inputs))
    except Exception as error:  # noqa: BLE001 (the ledger's own failure is what this looks for; it is told)
        return Reading(mode=mode, reason=f"the ledger failed: {in_one_line(error)}")
    return Reading(
        mode=mode,
        peak=read.peak_bytes,
        retained=read.retained_bytes,
        saved=read.saved_bytes,
        scalars=read.scalar_bytes,
        unaccounted=read.unaccounted_bytes,
        nodes=read.nodes,
        operators=read.operators,
        blocks=read.unaccounted[:_MOST_BLOCKS],
        notes=tuple(getattr(read, "notes", ())),
    )
