"""A preparation killed at any moment goes on to the bytes of one that was not."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from tests.support import shared
from tests.support.prepare_kills import content
from tests.support.recordings import write_corpus


def _kills(tmp_path, stride):
    corpus = write_corpus(tmp_path / "corpus", each=6)
    (corpus / "ann" / "empty.wav").touch()
    command = [sys.executable, "-m", "tests.support.prepare_kills"]
    done = subprocess.run(
        [*command, str(corpus), str(tmp_path), str(stride)],
        cwd=shared.REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_some_kills_change_nothing(tmp_path):
    found = _kills(tmp_path, stride=17)
    assert found["problems"] == []
    assert found["kills"] >= 4


@pytest.mark.slow
def test_many_kills_change_nothing(tmp_path):
    found = _kills(tmp_path, stride=3)  # odd: both before and after what makes a file final
    assert found["problems"] == []
    assert found["kills"] > 30


_WITH_WORKERS = textwrap.dedent("""
    import sys
    from tests.support.recordings import RECIPE
    from tfwavenet.data import preparation

    if __name__ == "__main__":
        preparation._SHARD_FILES = 1
        preparation.prepare("folder", root=sys.argv[1], output_dir=sys.argv[2], recipe=RECIPE,
                            num_workers=int(sys.argv[3]))
""")


def _start(script, corpus, output, workers):
    environment = {**os.environ, "PYTHONPATH": str(shared.REPOSITORY)}
    command = [sys.executable, str(script), str(corpus), str(output), str(workers)]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def _children(pid):
    """Process ids of the children of a process, of all its threads."""
    tasks = pathlib.Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def _wait_until(condition, seconds=120.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.005)


def _is_alive(pid):
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


@pytest.mark.slow
def test_killed_parent_takes_its_workers_along_and_is_continued(tmp_path):
    corpus = write_corpus(tmp_path / "corpus", each=40, samples=8000)
    script = tmp_path / "script.py"
    script.write_text(_WITH_WORKERS)
    process = _start(script, corpus, tmp_path / "killed", 2)
    _wait_until(lambda: len(list((tmp_path / "killed").glob("*.tfrecord"))) >= 5)
    children = _children(process.pid)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert len(children) >= 2
    _wait_until(lambda: not any(map(_is_alive, children)), seconds=10.0)
    assert not (tmp_path / "killed" / "metadata.json").exists()

    for name, workers in (("killed", 2), ("alone", 0)):
        process = _start(script, corpus, tmp_path / name, workers)
        _, text = process.communicate()
        assert process.returncode == 0, text
    assert content(tmp_path / "killed") == content(tmp_path / "alone")
