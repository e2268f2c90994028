"""Where subjects come from: the families of architectures, and the candidates of each of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench.atlas import timm_source, transformers_source
from bench.atlas.candidates import Candidate
from bench.atlas.record import Subject
from harness.errors import HarnessError


@dataclass(frozen=True, slots=True)
class Family:
    """One library of architectures."""

    names: Callable[[], tuple[str, ...]]
    candidates: Callable[[str], Iterator[Candidate]]


FAMILIES = {
    "transformers": Family(transformers_source.model_types, transformers_source.candidates),
    "timm": Family(timm_source.names, timm_source.candidates),
}


def candidates_of(subject: Subject) -> Iterator[Candidate]:
    """Return the ways to make a subject small, the smallest first."""
    return FAMILIES[subject.family].candidates(subject.name)


def subjects(families: tuple[str, ...], only: tuple[str, ...]) -> tuple[Subject, ...]:
    """Return the subjects of some families, or of all; of these some names, or all.

    Raises:
        HarnessError: no such family or name, or a family's library cannot be imported.
    """
    unknown = [family for family in families if family not in FAMILIES]
    if unknown:
        raise HarnessError(f"no family {unknown[0]!r}; there are {', '.join(FAMILIES)}")
    listed: list[Subject] = []
    for family in families or tuple(FAMILIES):
        try:
            listed += [Subject(family, name) for name in FAMILIES[family].names()]
        except ImportError as error:
            if families:
                raise HarnessError(f"{family} cannot be imported: {error}") from error
    names = {subject.name for subject in listed}
    missing = [name for name in only if name not in names]
    if missing:
        raise HarnessError(f"no architecture {missing[0]!r} in {', '.join(families or FAMILIES)}")
    return tuple(subject for subject in listed if not only or subject.name in only)
