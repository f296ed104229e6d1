"""Training on two devices makes the updates of one, each in a process that has them."""

import pathlib
import subprocess
import sys

import pytest

from tests.support.two_devices import MODELS

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_two_replicas_make_the_updates_of_one(model):
    """Rows are padded, one is all padding; there is dropout, noise, clipping, and a contrast."""
    command = [sys.executable, "-m", "tests.support.two_devices", model]
    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
