"""Starts torchrun for a program that is not a rank itself, and takes the run that rank 0 wrote."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from harness.errors import HarnessError
from harness.processes.folder import remove_stale_folders, removed_folder
from harness.processes.lifeline import tied
from harness.ranks.place import RanksError
from harness.record.measured import Case
from harness.record.schema import ArmResult, Run
from harness.record.store import load_run

if TYPE_CHECKING:
    from harness.measure.runner import Settings
    from harness.ranks.session import RankRequest
    from harness.workload.model import UnsupportedError

_STARTING_S = 120.0
_ARM_S = 60.0  # beside its budget, twice, for the reference is timed with it
_PREFIX = "harness-ranks-"
_CLOSING_S = 5  # torchrun would give its ranks 30 s to end before it kills them


def measured_by_ranks(cases: tuple[Case, ...], ranks: int, settings: "Settings") -> "Run | HarnessError":
    """Measure cases with so many ranks on this machine; return their run, or why there is none.

    Args:
        cases: of questions that are asked of ranks.
        ranks: processes.
        settings: budget, seed and threads of each rank.
    """
    from harness.ranks.session import RankRequest

    try:
        check_launch(cases[0].device, ranks)
        request = RankRequest(
            cases=tuple(case for case in cases if not _lacking(case)),
            budget=settings.budget,
            device=cases[0].device,
            seed=settings.seed,
            threads=settings.threads,
        )
        return launched(request, ranks, _STARTING_S + len(cases) * (_ARM_S + 8 * settings.budget))
    except HarnessError as error:
        return error


def arm_of(outcome: "Run | HarnessError", case: Case, arm: str) -> ArmResult:
    """Return what ranks found of an arm.

    Raises:
        UnsupportedError: it was skipped.
        HarnessError: it failed, or the ranks did not measure at all.
    """
    from harness.workload.model import UnsupportedError

    if lacking := _lacking(case):
        raise lacking
    if isinstance(outcome, HarnessError):
        raise outcome
    for record in outcome.records:
        result = record.arm(arm) if record.case == case else None
        if result is not None and result.status == "ok":
            return result
        if result is not None:
            raise (UnsupportedError if result.status == "skipped" else RanksError)(result.reason)
    raise RanksError(f"the ranks did not measure {arm!r} of {case.id}")


def _lacking(case: Case) -> "UnsupportedError | None":
    """Return why this torch cannot wrap a case's model; None where it can."""
    from harness.workload.model import UnsupportedError
    from harness.workload.questions.ranks import wrap_of
    from harness.workload.wrapping import check_wrap

    try:
        check_wrap(wrap_of(case))
    except UnsupportedError as error:
        return error
    return None


def check_launch(device: str, ranks: int) -> None:
    """Check that so many ranks can run here.

    Raises:
        UnsupportedError: they cannot.
    """
    from harness.ranks.place import Place, backend_for, check_gloo, device_of_rank
    from harness.workload.model import UnsupportedError

    try:
        check_gloo()
        backend_for(device_of_rank(Place(0, ranks, 0, ranks, "this machine"), device))
    except RanksError as error:
        raise UnsupportedError(str(error)) from error


def launched(request: "RankRequest", ranks: int, limit: float) -> Run:
    """Measure a request with so many ranks on this machine and return their run.

    Args:
        request: what the ranks are asked.
        ranks: processes.
        limit: seconds for all of it.

    Raises:
        RanksError: the ranks could not measure; what rank 0 said of it.
    """
    remove_stale_folders(_PREFIX)
    with removed_folder(_PREFIX) as folder:
        request_file, written = folder / "request.json", folder / "run.json"
        request_file.write_bytes(msgspec.json.encode(request))
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        command += [
            "--nproc-per-node",
            f"{ranks}",
            "-m",
            "harness.ranks.worker",
            str(request_file),
            str(written),
            f"{limit / 2:g}",
        ]
        status, said = run_to_end(command, limit, folder)
        lines = [line for line in said.splitlines() if line.startswith("harness: ")]
        if status != 0 or not written.exists():
            reason = lines[0].removeprefix("harness: ") if lines else (said.strip().splitlines() or [""])[-1]
            reason = reason or f"torchrun ended with status {status} and said nothing"
            raise RanksError(f"{reason}{ending_signal(said)}")
        return load_run(written)


def ending_signal(said: str) -> str:
    """Return the signal that ended the first rank that ended, as more words of a sentence; "" for none.

    Args:
        said: by torchrun, which writes the exit status of the first process that failed, -9 for SIGKILL.
    """
    status = re.search(r"\bexitcode *: *-(\d+)", said)
    number = int(status[1]) if status else 0
    return f"; ended by {signal.Signals(number).name}" if number in set(signal.Signals) else ""


def run_to_end(command: list[str], limit: float, folder: Path | None = None) -> tuple[int, str]:
    """Run a launcher and return its exit status and standard error; none of its processes is left behind.

    It ends with this process, also where that is killed.

    Args:
        command: of the launcher.
        limit: seconds.
        folder: for its temporary files; None for the system's own.

    Raises:
        RanksError: it took longer than its limit, and was ended.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    if folder is not None:
        environment["TMPDIR"] = str(folder)
    with subprocess.Popen(  # noqa: S603 (this interpreter)
        tied(command), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            _, said = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired as error:
            process.send_signal(signal.SIGTERM)
            try:
                process.communicate(timeout=_CLOSING_S)
            except subprocess.TimeoutExpired:
                process.kill()  # the ranks end with their launcher
                process.communicate()
            raise RanksError(f"the ranks took longer than {limit:g} s and were ended") from error
        except BaseException:
            process.kill()  # and its ranks with it
            raise
    return process.returncode, said
