"""One session of claims, from ids to files: what was measured is kept, whatever happens after."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.claims.catalogue import every_claim, find
from harness.claims.claim import Claim, Lab
from harness.claims.record import ClaimsRun, encode_claims
from harness.claims.report import claims_page, claims_tables
from harness.claims.run import put_all_to_the_test
from harness.record.store import replace_file


@dataclass(slots=True)
class ClaimsSession:
    """What one command puts to the test, and where it writes.

    Attributes:
        claims: which, in order.
        lab: how much work each may do.
        results: the folder of the document and the plots.
        json: where all results go, after every claim.
        run: what was measured so far; None before the first claim is finished.
    """

    claims: tuple[Claim, ...]
    lab: Lab
    results: Path
    json: Path
    run: ClaimsRun | None = field(default=None, init=False)

    @classmethod
    def plan(cls, ids: Sequence[str], lab: Lab, results: Path, json: Path | None) -> "ClaimsSession":
        """Plan a session.

        Raises:
            UnknownClaimError: an id is unknown.
        """
        # What the committed document is made from is kept beside it; a few claims by themselves are not.
        own = results / "runs" / "claims" if ids else results / "records"
        return cls(find(ids), lab, results, json or own / "claims.json")

    def measure(self, tell: Callable[[int, Claim], None]) -> ClaimsRun:
        """Put the claims to the test, writing the JSON file after each."""
        return put_all_to_the_test(self.claims, self.lab, self._keep, tell)

    def _keep(self, run: ClaimsRun) -> None:
        self.run = run
        replace_file(self.json, encode_claims(run))

    def publish(self, run: ClaimsRun, html: Path | None) -> tuple[Path, ...]:
        """Write the document and its plots, where all claims were measured, and the page; return their paths.

        A few claims by themselves leave the document as it is.
        """
        written = [self.json]
        if run.complete and len(run.results) == len(every_claim()):
            for name, text in claims_tables(run).items():
                replace_file(self.results / name, text.encode())
            written += [*sorted(self.results.glob("claims*.md")), self.results / "claims"]
        if html is not None:
            replace_file(html, claims_page(run).encode())
            written.append(html)
        return tuple(written)
