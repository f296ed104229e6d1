"""Runs on several devices and in several processes equal a run on one device."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tfwavenet.launch.worker_processes import _environment, _free_ports
from tfwavenet.training import strategies
from tfwavenet.training.config import resolve
from tfwavenet.training.workdir import Workdir

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
STEPS = 6


def start(kind, config, workdir, environment=None):
    command = [sys.executable, "-m", "tests.support.train_on", kind, json.dumps(config), workdir]
    # Products of matrices are added up by thread.
    settings = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_NUM_INTRAOP_THREADS": "1"}
    environment = {**(environment or os.environ), **settings}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=REPOSITORY, env=environment, text=True, **pipes)


def finish(process):
    """Returns the logs of a process that ended well."""
    output, errors = process.communicate(timeout=1800)
    assert process.returncode == 0, errors[-3000:]
    return json.loads(output.splitlines()[-1])


def two_workers(config, workdir):
    ports = _free_ports(2)
    processes = [
        start("multi_worker", config, workdir, _environment(ports, index)) for index in range(2)
    ]
    return [finish(process) for process in processes]


def variables(workdir, step=STEPS):
    reader = tf.train.load_checkpoint(str(workdir / "checkpoints" / f"{step:08d}" / "state"))
    names = reader.get_variable_to_shape_map()
    return {name: reader.get_tensor(name) for name in names if "OBJECT_GRAPH" not in name}


def written(workdir):
    """Names of the files, without those of TensorBoard, which have the time in them."""
    files = (path.relative_to(workdir) for path in workdir.rglob("*") if path.is_file())
    return sorted(str(path) for path in files if path.parts[0] != "logs")


def assert_close(logs, expected):
    for name, values in expected.items():
        if "per_second" not in name:
            np.testing.assert_allclose(logs[name], values, rtol=1e-4, err_msg=name)


@pytest.fixture(scope="module")
def config(make_config):
    """Crops that are longer than the recordings: part of every batch is padding."""
    return make_config(
        steps=STEPS,
        steps_per_epoch=3,
        sample_epochs=2,
        sample_utterances=1,
        model={"dropout": 0.1, "distribution": {"class_name": "Categorical", "config": {}}},
        data={"batch_size": 4, "crop_frames": 120},
    )


@pytest.fixture(scope="module")
def mirrored(config, tmp_path_factory):
    """The workdir of a run on two devices in one process, and its logs."""
    workdir = tmp_path_factory.mktemp("mirrored") / "run"
    return workdir, finish(start("mirrored", config, workdir))


@pytest.mark.slow
def test_two_devices_equal_one(config, mirrored, tmp_path):
    workdir, logs = mirrored
    expected = finish(start("one", config, tmp_path / "run"))
    assert {"val_loss", "gradient_norm"} <= expected.keys()
    assert_close(logs, expected)
    assert written(workdir) == written(tmp_path / "run")
    found = variables(workdir)
    for name, value in variables(tmp_path / "run").items():
        np.testing.assert_allclose(found[name], value, rtol=1e-3, atol=1e-4, err_msg=name)


@pytest.mark.slow
def test_two_workers_equal_two_devices_to_the_bit_also_when_resumed(config, mirrored, tmp_path):
    workdir, logs = mirrored
    half = {**config, "training": {**config["training"], "steps": STEPS // 2}}
    two_workers(half, tmp_path / "run")
    first, second = two_workers(config, tmp_path / "run")
    assert first["loss"] == second["loss"]
    assert_close({name: logs[name][-1:] for name in logs}, first)
    assert written(tmp_path / "run") == written(workdir)
    found = variables(tmp_path / "run")
    for name, value in variables(workdir).items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


@pytest.mark.slow
def test_the_strategy_of_a_scope_is_taken_and_another_continues_a_run(config, mirrored, tmp_path):
    workdir, _ = mirrored
    half = {**config, "training": {**config["training"], "steps": STEPS // 2}}
    finish(start("scope", half, tmp_path / "run"))
    found = variables(tmp_path / "run", STEPS // 2)
    for name, value in variables(workdir, STEPS // 2).items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
    assert len(finish(start("one", config, tmp_path / "run"))["loss"]) == 1


@pytest.mark.slow
def test_workers_with_different_configs_are_refused(config, tmp_path):
    ports = _free_ports(2)
    first, second = (
        start(
            "multi_worker",
            {**config, "seed": index},
            tmp_path / "run",
            _environment(ports, index),
        )
        for index in range(2)
    )
    _, errors = second.communicate(timeout=600)
    assert second.returncode == 1
    assert "all workers must train with the config of the first worker" in errors
    _, errors = first.communicate(timeout=600)  # within the time in which a silent worker is lost
    assert first.returncode != 0


def test_a_run_may_continue_on_other_devices(tmp_path):
    config = resolve({})
    folder = Workdir(tmp_path)
    folder.config_path.write_text(json.dumps(config.to_dict()))
    folder.require_same_config(resolve({"training": {"strategy": "mirrored"}}))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("two", "one of one, mirrored, multi_worker. Received: strategy='two'"),
        (2, "or a tf.distribute.Strategy. Received: strategy=2"),
        ("multi_worker", "Received: no TF_CONFIG"),
    ],
)
def test_what_is_no_strategy_is_an_error(given, message, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(ValueError, match=message):
        strategies.choose(given, "one")


def test_the_config_names_the_strategy_where_none_is_given(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert strategies.choose(None, "one") is tf.distribute.get_strategy()
    with pytest.raises(ValueError, match="TF_CONFIG"):
        strategies.choose(None, "multi_worker")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": {"batch_size": 8}}, "a multiple of the 3 replicas"),
        ({"training": {"jit_compile": True}}, "jit_compile' must be False"),
        ({"training": {"optimizer": "AdamW"}}, "Received: training.clip_norm=1.0, training.optim"),
    ],
)
def test_what_several_replicas_cannot_do_is_an_error(changes, message):
    class Three:
        num_replicas_in_sync = 3
        cluster_resolver = None

    strategies.check(Three(), resolve({"data": {"batch_size": 6}}))
    with pytest.raises(ValueError, match=message):
        strategies.check(Three(), resolve({"data": {"batch_size": 6}, **changes}))


@pytest.mark.parametrize(
    ("jobs", "job", "index", "expected"),
    [
        (("worker",), "worker", 0, True),
        (("worker",), "worker", 1, False),
        (("chief", "worker"), "chief", 0, True),
        (("chief", "worker"), "worker", 0, False),
    ],
)
def test_the_first_of_a_cluster(jobs, job, index, expected, monkeypatch):
    cluster = {name: ["localhost:1", "localhost:2"] for name in jobs}
    task = {"type": job, "index": index}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": task}))
    assert strategies.is_first_of_cluster() == expected
