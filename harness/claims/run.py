"""Put claims to the test one after the other; what is finished is handed over at once."""

import importlib.util
import time
from collections.abc import Callable, Sequence

import msgspec
import torch

from harness.claims.catalogue import SECTIONS, section_of
from harness.claims.claim import Claim, Lab
from harness.claims.conclude import conclude
from harness.claims.lessons import lesson_of
from harness.claims.record import ClaimResult, ClaimsRun, Plot
from harness.measure.environment import environment
from harness.workload.model import WorkloadError


def put_to_the_test(claim: Claim, lab: Lab, *world: object) -> ClaimResult:
    """Put one claim to the test.

    Args:
        claim: which.
        lab: how much work it may do.
        world: what it runs, where it is not the real torch.
    """
    result = ClaimResult(
        id=claim.id,
        section=section_of(claim).name,
        statement=claim.statement,
        method=claim.method,
        verdict="not run",
        lesson=lesson_of(claim.id),
        reproduce=f"harness claims {claim.id}" + (f" --seed {lab.seed}" if lab.seed else ""),
    )
    missing = [name for name in claim.needs if importlib.util.find_spec(name) is None]
    if missing:
        reason = f"needs {_PACKAGES.get(missing[0], missing[0])}: pip install scikit-learn"
        return msgspec.structs.replace(result, reason=reason)
    start = time.perf_counter()
    try:
        evidence = claim.test(lab, *world)
    except WorkloadError as error:
        return msgspec.structs.replace(result, reason=str(error))
    verdict, condition = conclude(evidence.checks, is_sampled=claim.is_sampled)
    return msgspec.structs.replace(
        result,
        verdict=verdict,
        condition=condition,
        checks=evidence.checks,
        numbers=evidence.numbers,
        plots=evidence.plots,
        seconds=round(time.perf_counter() - start, 2),
    )


_PACKAGES = {"sklearn": "scikit-learn"}


def put_all_to_the_test(
    claims: Sequence[Claim],
    lab: Lab,
    keep: Callable[[ClaimsRun], None],
    tell: Callable[[int, Claim], None] = lambda _place, _claim: None,
) -> ClaimsRun:
    """Put claims to the test on one thread.

    Args:
        claims: which, in order.
        lab: how much work each may do.
        keep: takes all results so far, whenever one is finished.
        tell: takes the place and the claim that begins.
    """
    torch.set_num_threads(1)
    run = ClaimsRun(
        environment=environment("cpu"),
        seed=lab.seed,
        seeds=lab.seeds,
        budget=lab.budget,
        complete=False,
        command=f"harness claims --seed {lab.seed} --seeds {lab.seeds} --budget {lab.budget:g}",
    )
    for number, claim in enumerate(claims):
        tell(number, claim)
        run = msgspec.structs.replace(run, results=(*run.results, put_to_the_test(claim, lab)))
        keep(run)
    run = msgspec.structs.replace(run, plots=_overviews(run.results), complete=True)
    keep(run)
    return run


def _overviews(results: Sequence[ClaimResult]) -> tuple[Plot, ...]:
    return tuple(
        plot
        for section in SECTIONS
        for plot in section.overview([result for result in results if result.section == section.name])
    )
