"""Workers are started together, started again when one dies, and end with who started them."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from tfwavenet.launch import worker_processes
from tfwavenet.launch.worker_processes import LOST_STATUS

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
# Each start of a worker leaves a file; the statement says what the worker does then.
WORKER = """
import json, os, pathlib, signal, sys, time
folder, task = pathlib.Path(sys.argv[1]), json.loads(os.environ["TF_CONFIG"])["task"]
index, start = task["index"], len(list(folder.glob(f"{task['index']}-*")))
(folder / f"{index}-{start}").write_text(os.environ["TF_CONFIG"])
"""


@pytest.fixture
def run(tmp_path):
    """Runs two workers of a statement; returns the exit status and the number of their starts."""

    def start(statement, *, restarts=3, progress=lambda: None):
        command = [sys.executable, "-c", WORKER + statement, str(tmp_path)]
        status = worker_processes.run_workers(
            command, workers=2, restarts=restarts, progress=progress
        )
        return status, [len(list(tmp_path.glob(f"{index}-*"))) for index in range(2)]

    return start


def test_workers_know_each_other(run, tmp_path):
    assert run("") == (0, [1, 1])
    first, second = (json.loads((tmp_path / f"{index}-0").read_text()) for index in range(2))
    assert first["cluster"] == second["cluster"]
    assert len(set(first["cluster"]["worker"])) == 2
    assert [one["task"]["index"] for one in (first, second)] == [0, 1]


@pytest.mark.parametrize(
    "end", ["os.kill(os.getpid(), signal.SIGKILL)", f"sys.exit({LOST_STATUS})"]
)
def test_all_start_again_when_one_is_lost(run, end):
    """The other worker would wait for a minute, and is killed."""
    began = time.monotonic()
    status, starts = run(f"if start == 0 and index == 1: {end}\nif start == 0: time.sleep(60)")
    assert (status, starts) == (0, [2, 2])
    assert time.monotonic() - began < 50


def test_an_error_of_the_users_is_not_tried_again(run):
    assert run("sys.exit(1) if index else time.sleep(60)") == (1, [1, 1])


def test_restarts_without_progress_are_limited(run):
    assert run("os.kill(os.getpid(), signal.SIGKILL)", restarts=2) == (137, [3, 3])


def test_progress_allows_for_further_restarts(run, tmp_path):
    statement = "if start < 4: os.kill(os.getpid(), signal.SIGKILL)"
    progress = lambda: len(list(tmp_path.glob("0-*")))  # noqa: E731
    assert run(statement, restarts=1, progress=progress) == (0, [5, 5])


@pytest.mark.slow
def test_a_worker_ends_with_who_started_it(tmp_path):
    child = (
        "import pathlib, os, sys, time\n"
        "from tfwavenet.launch import worker_processes\n"
        "worker_processes.end_with_parent()\n"
        "pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))\n"
        "time.sleep(600)"
    )
    parent = (
        "import sys\nfrom tfwavenet.launch import worker_processes\n"
        f"command = [sys.executable, '-c', {child!r}, sys.argv[1]]\n"
        "worker_processes.run_workers(command, workers=1, restarts=0, progress=lambda: None)"
    )
    written = tmp_path / "process"
    process = subprocess.Popen([sys.executable, "-c", parent, str(written)], cwd=REPOSITORY)
    while not written.exists() or not written.read_text():
        assert process.poll() is None
        time.sleep(0.1)
    worker = int(written.read_text())
    process.send_signal(signal.SIGKILL)
    process.wait()
    for _ in range(300):
        if not pathlib.Path(f"/proc/{worker}").exists():
            return
        time.sleep(0.1)
    os.kill(worker, signal.SIGKILL)
    pytest.fail("the worker lives on")
