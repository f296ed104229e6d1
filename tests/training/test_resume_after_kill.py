"""Runs killed by SIGKILL, at random moments and while a checkpoint is written, end in the same bits.

Real processes, real kills. The network is small, but everything that a run writes is on: average,
validation, TensorBoard, samples.
"""

from __future__ import annotations

import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

from tfwavenet.training.checkpoints import steps_in

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
STEPS, STEPS_PER_EPOCH = 60, 3

CHILD = """
import json, os, pathlib, signal, sys
from tfwavenet import files, training
from tfwavenet.training import checkpoints

config, workdir, moment = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3]

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def after(count, function, then):
    calls = []
    def wrapped(*arguments, **options):
        calls.append(None)
        if len(calls) == count and then == "before":
            die()
        result = function(*arguments, **options)
        if len(calls) == count:
            die()
        return result
    return wrapped

if moment == "half a checkpoint":
    checkpoints._manifest = after(2, checkpoints._manifest, "before")
elif moment == "before the rename":
    checkpoints._replace = after(2, checkpoints._replace, "before")
elif moment == "after the rename":
    checkpoints._replace = after(2, checkpoints._replace, "after")
training.run(config, workdir)
"""


def start(config, workdir, moment="none"):
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-c", CHILD, json.dumps(config), str(workdir), moment]
    return subprocess.Popen(
        command, cwd=REPOSITORY, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    )


def finish(process):
    _, errors = process.communicate(timeout=1800)
    assert process.returncode == 0, errors.decode()[-3000:]


def variables(workdir):
    """All variables of the last checkpoint: weights, optimizer, average."""
    assert steps_in(workdir / "checkpoints")[-1] == STEPS
    path = workdir / "checkpoints" / f"{STEPS:08d}" / "state"
    reader = tf.train.load_checkpoint(str(path))
    names = reader.get_variable_to_shape_map()
    return {name: reader.get_tensor(name) for name in names if "OBJECT_GRAPH" not in name}


def assert_same(workdir, expected):
    found = variables(workdir)
    assert found.keys() == expected.keys()
    for kind in ("model/", "optimizer/", "ema/"):
        assert any(name.startswith(kind) for name in found)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The workdir of a run that nobody disturbed, and a lazily filled list for its variables."""
    return tmp_path_factory.mktemp("uninterrupted") / "run", []


@pytest.fixture
def config(make_config):
    return make_config(
        steps=STEPS,
        steps_per_epoch=STEPS_PER_EPOCH,
        sample_epochs=7,
        model={"dropout": 0.1, "distribution": {"class_name": "Categorical", "config": {}}},
    )


@pytest.fixture
def expected(uninterrupted, config):
    workdir, found = uninterrupted
    if not found:
        finish(start(config, workdir))
        found.append(variables(workdir))
    return found[0]


@pytest.mark.slow
def test_kills_while_a_checkpoint_is_written(config, expected, tmp_path):
    for moment in ("half a checkpoint", "before the rename", "after the rename"):
        process = start(config, tmp_path / "run", moment)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    finish(start(config, tmp_path / "run"))
    assert_same(tmp_path / "run", expected)
    assert not list((tmp_path / "run" / "checkpoints").glob("*.tmp-*"))


@pytest.mark.slow
def test_kills_at_random_moments(config, expected, tmp_path):
    generator = random.Random(time.time_ns())  # another moment at every run of the tests
    workdir = tmp_path / "run"
    for _ in range(3):
        before = steps_in(workdir / "checkpoints")[-1:]
        process = start(config, workdir)
        while process.poll() is None and steps_in(workdir / "checkpoints")[-1:] == before:
            time.sleep(0.01)
        time.sleep(generator.uniform(0, 0.3))
        process.kill()
        process.communicate()
    finish(start(config, workdir))
    assert_same(workdir, expected)


@pytest.mark.slow
def test_a_kill_before_the_first_checkpoint(config, expected, tmp_path):
    process = start(config, tmp_path / "run")
    while not (tmp_path / "run" / "config.json").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert steps_in(tmp_path / "run" / "checkpoints") == []
    finish(start(config, tmp_path / "run"))
    assert_same(tmp_path / "run", expected)
