"""Runs the workers of a training as processes of this machine, and starts them again when one dies.

Every worker is the same command with its own `TF_CONFIG`. All work is done by TensorFlow; here
processes are started and watched.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Optional

from absl import logging

# Exit status of a worker that lost another: the training can be started again.
LOST_STATUS = 75
# Number of the process that started a worker, in the environment of the worker.
_PARENT = "TFWAVENET_WORKERS_OF"
_POLL_SECONDS = 0.2
# Workers that end within this time after the first one have ended on their own.
_GRACE_SECONDS = 2.0


def run_workers(
    command: Sequence[str], *, workers: int, restarts: int, progress: Callable[[], Any]
) -> int:
    """Runs a command in several processes until all of them end well.

    When a process is killed or has lost another, the rest are killed and all are started again.

    Args:
        command: program and arguments of every process.
        workers: number of processes, at least 1.
        restarts: number of restarts in a row without progress, at least 0.
        progress: returns a value that changes with the progress of the training.

    Returns:
        The exit status: 0, or that of the first process that failed and cannot be restarted. For a
        signal the status is 128 and its number, as in a shell.
    """
    left, reached = restarts, progress()
    while True:
        statuses = _run_once(command, workers)
        failed = [status for status in statuses if status]
        if not failed:
            return 0
        lost = [status for status in failed if status < 0 or status == LOST_STATUS]
        if progress() != reached:
            left, reached = restarts, progress()
        if len(lost) < len(failed) or not left:
            return failed[0] if failed[0] > 0 else 128 - failed[0]
        left -= 1
        logging.warning("A worker ended with status %d: all workers start again.", lost[0])


def is_worker() -> bool:
    """Tells whether this process was started by `run_workers`."""
    return _PARENT in os.environ


def end_with_parent() -> None:
    """Ends this process, a worker, within a second of the end of the process that started it."""
    parent = int(os.environ[_PARENT])

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(LOST_STATUS)

    threading.Thread(target=watch, daemon=True).start()


def _run_once(command: Sequence[str], workers: int) -> list[Optional[int]]:
    """Returns the statuses with which the processes ended on their own; None for the killed."""
    ports = _free_ports(workers)
    with _started([_environment(ports, index) for index in range(workers)], command) as processes:
        while None in (statuses := _statuses(processes)):
            if any(statuses):
                time.sleep(_GRACE_SECONDS)
                return _statuses(processes)
            time.sleep(_POLL_SECONDS)
        return statuses


def _statuses(processes: Sequence[subprocess.Popen]) -> list[Optional[int]]:
    return [process.poll() for process in processes]


@contextlib.contextmanager
def _started(
    environments: Sequence[Mapping[str, str]], command: Sequence[str]
) -> Iterator[list[subprocess.Popen]]:
    """Starts a process in each environment; kills what is left of them at the end."""
    processes: list[subprocess.Popen] = []
    try:
        for environment in environments:
            processes.append(subprocess.Popen(command, env=environment))
        yield processes
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()


def _environment(ports: Sequence[int], index: int) -> dict[str, str]:
    """Returns the environment of a worker, which shares the cores with the other workers."""
    cluster = {
        "cluster": {"worker": [f"localhost:{port}" for port in ports]},
        "task": {"type": "worker", "index": index},
    }
    return {
        "TF_NUM_INTRAOP_THREADS": str(max(1, (os.cpu_count() or 1) // len(ports))),
        **os.environ,
        "TF_CONFIG": json.dumps(cluster),
        _PARENT: str(os.getpid()),
    }


def _free_ports(count: int) -> list[int]:
    """Returns different ports on which nobody listens."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("localhost", 0))
        return [one.getsockname()[1] for one in sockets]
