"""Worlds on all cores: what comes of them is the same for one process and for many.

Each process has a pipe of its own, on which it is handed one job at a time; no locks, no threads. A process that dies
closes its pipe, so that it is missed at once.
"""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

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
    workers: dict[Connection, BaseProcess] = {}
    try:
        with _interrupts_kept_from_children():
            for _number in range(min(process_count, len(jobs))):
                _start(work, workers)
        yield from _share_out(jobs, list(workers))
    except (EOFError, ConnectionError) as error:
        raise UnavailableError("a process was killed, perhaps for want of memory: try fewer --jobs") from error
    finally:
        for pipe, process in workers.items():
            process.terminate()
            process.join()
            pipe.close()


def _share_out(jobs: Sequence[Any], idle: list[Connection]) -> Iterator[Any]:
    """Give each idle process a job as long as there are any, and yield what they answer."""
    waiting, busy = list(reversed(jobs)), list[Connection]()
    while waiting or busy:
        while waiting and idle:
            pipe = idle.pop()
            pipe.send(waiting.pop())
            busy.append(pipe)
        ready = wait(busy)
        for pipe in [one for one in busy if one in ready]:
            done, error = pipe.recv()
            busy.remove(pipe)
            idle.append(pipe)
            if error is not None:
                raise error
            yield done


def _start(work: Callable[[Any], Any], workers: dict[Connection, BaseProcess]) -> None:
    # Not by fork: the progress bar is a thread, and a fork may copy a lock that it holds.
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, work), daemon=True)
    process.start()
    workers[ours] = process
    theirs.close()


def _serve(pipe: Connection, work: Callable[[Any], Any]) -> None:
    """What another process does until its pipe is closed: the answer to a job is what came of it, or what it raised."""
    while True:
        try:
            job = pipe.recv()
        except EOFError:
            return
        try:
            done, failure = work(job), None
        except Exception as error:  # noqa: BLE001  it is raised again where the job came from
            error.add_note(traceback.format_exc())  # which doesn't travel by itself
            done, failure = None, error
        pipe.send((done, failure))


@contextmanager
def _interrupts_kept_from_children() -> Iterator[None]:
    """A terminal's Ctrl-C goes to every process. Ours ends the others; each alone would show where it was at work."""
    resource_tracker.ensure_running()  # which lets interrupts through again when it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
