"""Files of either Keras give the same under the other, and training goes the same way.

`OTHER_PYTHON` names an interpreter whose environment has the other Keras: Keras 3 for this one's
Keras 2, or the other way round. `.ci/run` sets it.
"""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest

REPOSITORY = pathlib.Path(__file__).parent.parent.parent
OTHER = os.environ.get("OTHER_PYTHON")
NETWORK = 1e-6  # of outputs; what is generated may differ by more, since rounding is fed back
LOSSES = 1e-3


def travel(python, task, folder):
    command = [python, "-m", "tests.support.travel", task, str(folder)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.slow
@pytest.mark.skipif(OTHER is None, reason="OTHER_PYTHON names no interpreter with the other Keras")
@pytest.mark.parametrize("direction", ["theirs", "ours"])
def test_files_travel(direction, tmp_path):
    writer, reader = (OTHER, sys.executable) if direction == "theirs" else (sys.executable, OTHER)
    travel(writer, "write", tmp_path)
    far = json.loads(travel(reader, "read", tmp_path).splitlines()[-1])
    losses = {name: far.pop(name) for name in ("losses", "losses resumed")}
    assert max(losses.values()) < LOSSES, losses
    assert max(far.values()) < NETWORK, far
