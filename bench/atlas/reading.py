"""One chart: a subject's model, made small, and its books in both modes."""

import torch

from bench.atlas.candidates import RefusedError, Running, in_one_line, running
from bench.atlas.curve import curve
from bench.atlas.record import Chart, Mode, Reading, Subject
from bench.atlas.sources import candidates_of
from harness import Model, ledger
from harness.workload.tensors import bytes_of

_SEED = 0


def chart(subject: Subject) -> Chart:
    """Build a subject small, and read its books; what cannot be done is a reason in one line."""
    torch.manual_seed(_SEED)
    try:
        found = running(candidates_of(subject))
    except RefusedError as error:
        return Chart(subject=subject, reason=str(error))
    readings = (read(found, "train"), read(found, "eval"))
    places, no_curve = freezing(found) if not readings[0].varies else ((), "no two calls are alike")
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
        readings=readings,
        curve=places,
        no_curve=no_curve,
    )


def freezing(found: Running) -> tuple[tuple[int, ...], str]:
    """Return the freezing curve of a model that runs in train mode, or in one line why there is none."""
    if "train" in found.refused:
        return (), "does not run in train mode"
    try:
        return curve(found), ""
    except Exception as error:  # noqa: BLE001 (the model's own failure, with a part of it frozen; it is told)
        return (), in_one_line(error)


def read(found: Running, mode: Mode) -> Reading:
    """Return the books of a model that runs, in one mode."""
    if mode in found.refused:
        return Reading(mode=mode, reason=f"does not run in plain torch: {found.refused[mode]}")
    found.module.train(mode == "train")
    try:
        books = ledger(Model(found.module, found.inputs))
    except Exception as error:  # noqa: BLE001 (the ledger's own failure is what this looks for; it is told)
        return Reading(mode=mode, reason=f"the ledger failed: {in_one_line(error)}")
    return Reading(
        mode=mode,
        peak=books.peak_bytes,
        retained=books.retained_bytes,
        retained_no_grad=books.retained_no_grad_bytes,
        saved=books.saved_bytes,
        scalars=books.scalar_bytes,
        spared=books.spared_bytes,
        unaccounted=books.unaccounted_bytes,
        leaked=books.leaked_bytes,
        nodes=books.nodes,
        operators=books.operators,
        varies=books.varies,
        unavailable=books.unavailable,
        notes=books.notes,
    )
