"""Worlds on all cores: what comes of them is the same for one process and for many."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import active_children, get_context
from typing import TypeVar

from revops.errors import UnavailableError

_Job = TypeVar("_Job")
_Done = TypeVar("_Done")


def core_count() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_all(jobs: Sequence[_Job], work: Callable[[_Job], _Done], process_count: int) -> Generator[_Done, None, None]:
    """Given jobs, what to do with each, and how many processes, yield what comes of them as it comes.

    Raise UnavailableError where a process dies. Whatever ends this early, Ctrl-C too, ends the processes.
    """
    if process_count <= 1 or len(jobs) <= 1:
        yield from map(work, jobs)
        return
    # Not by fork: the progress bar is a thread, and a fork may copy a lock that it holds.
    pool = ProcessPoolExecutor(min(process_count, len(jobs)), mp_context=get_context("spawn"))
    try:
        with _interrupts_kept_from_children():
            running = [pool.submit(work, job) for job in jobs]
        for done in as_completed(running):
            yield done.result()
    except BaseException as error:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in active_children():
            child.terminate()
        if isinstance(error, BrokenProcessPool):
            raise UnavailableError("a process was killed, perhaps for want of memory: try fewer --jobs") from error
        raise
    pool.shutdown()


@contextmanager
def _interrupts_kept_from_children() -> Iterator[None]:
    """A terminal's Ctrl-C goes to every process. Ours ends the others; each alone would show where it was at work."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
