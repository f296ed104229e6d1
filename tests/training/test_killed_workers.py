"""A training whose workers are killed by SIGKILL at random moments ends in the same bits.

Real processes, started by the launcher, and real kills.
"""

from __future__ import annotations

import json
import os
import pathlib
import random
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

from tfwavenet.launch.worker_processes import LOST_STATUS, _environment, _free_ports
from tfwavenet.training.checkpoints import steps_in

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
STEPS, KILLS = 400, 3
# A worker notices within this time that another is gone; TensorFlow's own limit is 10 seconds.
NOTICED_SECONDS = 120

CONFIG_FILE = """
import json
import ml_collections

def get_config():
    return ml_collections.ConfigDict(json.loads({config!r}), type_safe=False)
"""


@pytest.fixture(scope="module")
def command(make_config, tmp_path_factory):
    """A function that gives the command of a training in a folder."""
    config = make_config(
        steps=STEPS,
        steps_per_epoch=40,
        validation_batches=1,
        model={"dropout": 0.1, "distribution": {"class_name": "Categorical", "config": {}}},
    )
    path = tmp_path_factory.mktemp("config") / "config.py"
    path.write_text(CONFIG_FILE.format(config=json.dumps(config)))

    def make(workdir, *further):
        launcher = [sys.executable, "-m", "tfwavenet.launch.train"]
        return [
            *launcher,
            f"--config={path}",
            f"--workdir={workdir}",
            "--strategy=multi_worker",
            *further,
        ]

    return make


def start(command, errors, environment=None):
    environment = {**(environment or os.environ), "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.Popen(command, cwd=REPOSITORY, env=environment, stderr=errors)


def workers_of(process):
    """Process numbers of the workers that a launcher has started."""
    path = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return [int(number) for number in path.read_text().split()] if path.exists() else []


def variables(workdir):
    assert steps_in(workdir / "checkpoints")[-1] == STEPS
    reader = tf.train.load_checkpoint(str(workdir / "checkpoints" / f"{STEPS:08d}" / "state"))
    names = reader.get_variable_to_shape_map()
    return {name: reader.get_tensor(name) for name in names if "OBJECT_GRAPH" not in name}


def wait_for_another_checkpoint(process, workdir, before):
    while process.poll() is None and steps_in(workdir / "checkpoints")[-1:] == before:
        time.sleep(0.02)


@pytest.mark.slow
def test_workers_killed_at_random_moments(command, tmp_path):
    generator = random.Random(time.time_ns())  # another moment at every run of the tests
    with open(tmp_path / "errors", "w") as errors:
        quiet = start(command(tmp_path / "quiet", "--workers=2"), errors)
        assert quiet.wait(1200) == 0, (tmp_path / "errors").read_text()[-3000:]
        workdir = tmp_path / "killed"
        process = start(command(workdir, "--workers=2"), errors)
        for _ in range(KILLS):
            wait_for_another_checkpoint(process, workdir, steps_in(workdir / "checkpoints")[-1:])
            time.sleep(generator.uniform(0, 1))
            if victims := workers_of(process):
                os.kill(generator.choice(victims), 9)
        assert process.wait(1200) == 0, (tmp_path / "errors").read_text()[-3000:]
    assert "all workers start again" in (tmp_path / "errors").read_text()
    found = variables(workdir)
    for name, value in variables(tmp_path / "quiet").items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
    assert not list((workdir / "checkpoints").glob("*.tmp-*"))


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_a_worker_ends_soon_after_another_is_killed(command, tmp_path, victim):
    """Without the launcher that would end it, as on other machines."""
    ports = _free_ports(2)
    with open(tmp_path / "errors", "w") as errors:
        processes = [
            start(command(tmp_path / "run"), errors, _environment(ports, index))
            for index in range(2)
        ]
        wait_for_another_checkpoint(processes[0], tmp_path / "run", [])
        processes[victim].kill()
        processes[victim].wait()
        # TensorFlow ends a process that cannot reach the first worker by SIGABRT.
        assert processes[1 - victim].wait(NOTICED_SECONDS) in (LOST_STATUS, -6)
