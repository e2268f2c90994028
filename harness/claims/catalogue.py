"""All claims, by section and by id."""

from collections.abc import Sequence

from harness.claims import (
    bayes,
    decay,
    differentiation,
    freezing,
    no_grad,
    no_grad_memory,
    no_grad_models,
    norms,
    overfitting,
    remedies,
    sweeps,
)
from harness.claims.claim import Claim, Section
from harness.errors import HarnessError

_NO_GRAD = Section(
    "no_grad",
    (
        no_grad_models.records_nothing,
        no_grad_models.saves_memory,
        no_grad_models.saves_time,
        no_grad.is_temporary,
        no_grad.wrapping_helps,
        no_grad.cannot_replace_freezing,
        no_grad_models.computes_the_same,
        no_grad.nothing_requires_grad,
        no_grad_memory.spares_gradients,
        no_grad_memory.frees_memory,
    ),
)
_DECAY = Section(
    "Decay groups and weight decay",
    (
        decay.groups_decay_the_weight,
        decay.decay_is_a_penalty,
        decay.zero_is_none,
        overfitting.book_experiment,
        sweeps.error_against_decay,
        sweeps.chosen_is_not_best,
        norms.l1_step,
        norms.l1_shrinks,
        norms.three_norms,
        decay.groups_leave_forward_alone,
        overfitting.decaying_everything,
        norms.l1_zeros,
    ),
)
SECTIONS = (
    differentiation.SECTION,
    _NO_GRAD,
    freezing.SECTION,
    _DECAY,
    remedies.SECTION,
    bayes.SECTION,
)


class UnknownClaimError(HarnessError, LookupError):
    """An id that no claim has."""


def every_claim() -> tuple[Claim, ...]:
    """Return all claims in order."""
    return tuple(claim for section in SECTIONS for claim in section.claims)


def find(ids: Sequence[str]) -> tuple[Claim, ...]:
    """Return the claims of these ids, each once, in the catalogue's order; all of them for no ids.

    Raises:
        UnknownClaimError: an id is unknown.
    """
    known = {claim.id: claim for claim in every_claim()}
    wanted = [name.upper() for name in ids]
    for name, given in zip(wanted, ids, strict=True):
        if name not in known:
            raise UnknownClaimError(f"no claim {given!r}; there are {', '.join(known)}")
    return tuple(claim for claim in known.values() if not ids or claim.id in wanted)


def section_of(claim: Claim) -> Section:
    """Return the section that a claim is in."""
    return next(section for section in SECTIONS if claim in section.claims)
