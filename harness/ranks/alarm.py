"""Ends a run whose ranks no longer move, or one of which has failed, and says which and where.

A thread on every rank, which looks once a second: a rank that waits in a collective cannot look itself. What
they tell each other lies in a store of their own, with a connection that nothing else waits on.
"""

import contextlib
import os
import select
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from harness.ranks.place import Place

_LOOK_S = 1.0  # a look takes 0.1 ms: one sample in thousands is disturbed, on both sides alike
_GRACE_S = 2.0  # after it, who has reported nothing is taken for stopped
_LINGER_S = 4.0  # that others wait for the one who tells
FAILED, STUCK = "failed", "stuck"
_ENDING = {signal.SIGTERM, signal.SIGINT}


class Store(Protocol):
    """What ranks leave for each other: torch's TCPStore."""

    def set(self, key: str, value: str) -> None:
        """Keep a value."""

    def get(self, key: str) -> bytes:
        """Return a value; waits for it."""

    def add(self, key: str, amount: int) -> int:
        """Add to a counter, which begins at 0, and return it; never waits."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a rank says of itself when it cannot go on."""

    rank: int
    name: str
    stage: str
    moves: int  # how far it came
    waits: bool  # in torch's code, as one does that waits for others
    text: str  # the traceback


class Alarm:
    """Watches over one rank; `at` is called by the rank's own thread whenever it gets on."""

    def __init__(self, place: Place, store: Store, limit: float, tell: Callable[[str, str], None]) -> None:
        """Begin to watch.

        Args:
            place: of this rank.
            store: with a connection of its own.
            limit: seconds that a rank may stay where it is.
            tell: takes the sentence and the traceback, on the one rank that tells; the run ends after it.
        """
        self._place, self._store, self._limit, self._tell = place, store, limit, tell
        self._stage, self._moves = "starting", 0
        self._main = threading.main_thread().ident
        self._parent = os.getppid()
        self._over = threading.Event()
        self._hears, self.wakes = os.pipe()  # `wakes`: for what `signal.set_wakeup_fd` writes
        os.set_blocking(self.wakes, False)
        self._thread = threading.Thread(target=self._watch, name="alarm", daemon=True)
        self._thread.start()

    def at(self, stage: str) -> None:
        """Say that this rank is alive, and what it begins."""
        self._stage = stage
        self._moves += 1

    def stop(self) -> None:
        """Watch no longer."""
        self._over.set()
        os.write(self.wakes, b"\0")
        self._thread.join()

    def failed(self, error: BaseException) -> None:
        """Leave word of what this rank raised, and wait until it has been told; returns if it tells itself.

        What others raise because this rank is gone comes after it and is not told.
        """
        self._over.set()
        text = "".join(traceback.format_exception(error))
        first = self._leave(FAILED, text)
        if self._store.add("told", 0):
            return
        if self._place.rank == 0:
            self._tell_failure()
        elif first:
            self._linger(or_tell=self._tell_failure)
        else:
            self._linger()

    def ended(self) -> None:
        """Say, on rank 0, which rank has died without a word, where the launcher ends all others for it."""
        self._over.set()
        self._store.add(f"ended/{self._place.rank}", 1)
        if self._place.rank != 0 or self._store.add("told", 0):
            return
        time.sleep(_LOOK_S)
        if self._store.add(f"{FAILED}/there", 0):
            self._tell_failure()
            return
        gone = [rank for rank in range(self._place.ranks) if not self._store.add(f"ended/{rank}", 0)]
        names = ", ".join(f"rank {rank}" for rank in gone)
        self._told(
            f"{names} died without a word while rank 0 was {self._stage}: killed, or out of memory"
            if gone
            else "the launcher was told to end the run",
            "",
        )

    def _leave(self, kind: str, text: str, *, waits: bool = False) -> bool:
        """Put this rank's report into the store; return whether it is the first of its kind."""
        report = Report(
            rank=self._place.rank,
            name=self._place.name,
            stage=self._stage,
            moves=self._moves,
            waits=waits,
            text=text,
        )
        order = self._store.add(f"{kind}/begun", 1)
        self._store.set(f"{kind}/{order}", msgspec.json.encode(report).decode())
        self._store.add(f"{kind}/there", 1)
        return order == 1

    def _reports(self, kind: str) -> list[Report]:
        there = self._store.add(f"{kind}/there", 0)
        return [
            msgspec.json.decode(self._store.get(f"{kind}/{order}"), type=Report)
            for order in range(1, there + 1)
        ]

    def _watch(self) -> None:
        moves, since = self._moves, time.monotonic()
        while not self._is_over():
            if os.getppid() != self._parent:
                os._exit(1)  # the launcher is gone, and nobody would end this process
            try:
                if self._store.add(f"{FAILED}/there", 0):
                    self._end_after(self._tell_failure)
            except RuntimeError:  # the store is gone, and with it the run
                self._linger_and_end()
            if self._moves != moves:
                moves, since = self._moves, time.monotonic()
            elif time.monotonic() - since > self._limit and not self._over.is_set():
                self._stuck()

    def _is_over(self) -> bool:
        """Wait until it is time to look, and return whether there is nothing to look at any more.

        The rank's own thread hears of a signal when it comes back from a call, and a collective may wait for
        ranks that are ended too: where it does not, the end is told and made here.
        """
        heard, _, _ = select.select([self._hears], [], [], _LOOK_S)
        if heard and set(os.read(self._hears, 64)) & _ENDING and not self._over.wait(_LOOK_S):
            with contextlib.suppress(RuntimeError):  # the store may be gone
                self.ended()
            sys.stderr.flush()
            os._exit(1)
        return self._over.is_set()

    def _stuck(self) -> None:
        stack = traceback.extract_stack(sys._current_frames()[self._main or 0])  # noqa: SLF001 (its documented name)
        self._leave(STUCK, "".join(traceback.format_list(stack)), waits=in_torch(stack))
        time.sleep(_LOOK_S + _GRACE_S)
        reports = self._reports(STUCK)
        if min(report.rank for report in reports) == self._place.rank:
            self._told(*stuck_sentence(reports, self._place.ranks, self._limit))
        self._linger()
        if self._place.rank in {report.rank for report in late_ranks(reports)}:
            os._exit(1)  # before those that wait for it, so that the launcher names it
        self._linger_and_end()

    def _end_after(self, tell: Callable[[], None]) -> None:
        if self._place.rank == 0:
            tell()
        self._linger_and_end()

    def _tell_failure(self) -> None:
        report = self._reports(FAILED)[0]
        last = report.text.strip().splitlines()[-1]
        self._told(f"{report.name} failed while {report.stage}: {last}", report.text)

    def _told(self, sentence: str, text: str) -> None:
        self._tell(sentence, text)
        self._store.add("told", 1)

    def _linger(self, or_tell: Callable[[], None] | None = None) -> None:
        """Wait until somebody has told what happened; tell it, where nobody does."""
        end = time.monotonic() + _LINGER_S
        while time.monotonic() < end:
            if self._store.add("told", 0):
                return
            time.sleep(0.1)
        if or_tell is not None:
            or_tell()

    def _linger_and_end(self) -> None:
        # Whoever failed ends first, so that the launcher names it and not one that waited.
        time.sleep(_LINGER_S)
        os._exit(1)


def in_torch(stack: Sequence[traceback.FrameSummary]) -> bool:
    """Return whether the innermost Python code on a stack is torch's own."""
    import torch

    return Path(stack[-1].filename).is_relative_to(Path(torch.__file__).parent)


def late_ranks(reports: Sequence[Report]) -> list[Report]:
    """Return those that the others wait for: they came least far, and are in code of their own.

    Where all that came least far are in torch's code, it is those.
    """
    least = min(report.moves for report in reports)
    behind = sorted((report for report in reports if report.moves == least), key=lambda report: report.rank)
    return [report for report in behind if not report.waits] or behind


def stuck_sentence(reports: Sequence[Report], ranks: int, limit: float) -> tuple[str, str]:
    """Say which ranks the others wait for, and return the tracebacks of those.

    Ranks that have reported nothing are stopped or gone.
    """
    silent = sorted(set(range(ranks)) - {report.rank for report in reports})
    waiting = f"; the others waited for {limit:g} s (--time-limit)"
    if silent:
        names = ", ".join(f"rank {rank}" for rank in silent)
        return f"{names} gave no sign: stopped, or its process is gone{waiting}", ""
    late = late_ranks(reports)
    where = " and ".join(f"{report.name} while {report.stage}" for report in late)
    text = "".join(f"{report.name} is at\n{report.text}" for report in late)
    if len(late) == ranks:
        return f"no rank got on for {limit:g} s (--time-limit): {where}", text
    return f"{where} did not get on{waiting}", text


def store_beside(limit: float) -> tuple[Any, Store]:
    """Meet at the launcher's store; return it for process groups, and one with its own connection.

    Raises:
        RuntimeError: the other ranks did not come.
    """
    from datetime import timedelta

    # Documented, but no stub says so.
    from torch.distributed import PrefixStore, TCPStore  # type: ignore[attr-defined]
    from torch.distributed.rendezvous import rendezvous

    patience = timedelta(seconds=limit)
    store, _, _ = next(iter(rendezvous("env://", timeout=patience)))
    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    beside = TCPStore(host, port, is_master=False, timeout=patience, wait_for_workers=False)
    # The launcher's store outlives a restart of the ranks; what an earlier start left is not read.
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    return PrefixStore(f"harness/{attempt}", store), PrefixStore(f"harness/{attempt}/alarm", beside)
