"""Whole experiments as a user runs them: one command after another, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tests.support.shared import REPOSITORY
from tests.support.texts import numbered_text
from tfwavenet import files
from tfwavenet.training import workdir as workdirs

pytestmark = pytest.mark.slow

# configs/text.py, small enough to be trained in seconds.
SMALL_TEXT = {
    "recipe.classes": 64,
    "model.distribution.config.classes": 64,
    "model.num_layers": 2,
    "model.residual_channels": 4,
    "model.gate_channels": 8,
    "model.skip_channels": 4,
    "data.batch_size": 2,
    "data.crop_frames": 32,
    "training.steps": 4,
    "training.steps_per_epoch": 2,
    "training.validation_batches": 1,
    "training.sample_epochs": 2,
    "training.sample_characters": 30,
}


@pytest.fixture
def command(tmp_path):
    """Runs a command in an empty folder; returns what it wrote to standard output."""

    def run(name, *arguments):
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        done = subprocess.run(
            [sys.executable, "-m", f"tfwavenet.launch.{name}", *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            check=False,
            timeout=1200,  # only so that nothing hangs for ever
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    return run


def config(name):
    return f"--config={REPOSITORY}/configs/{name}"


def test_a_text_is_prepared_learned_evaluated_and_continued(command, tmp_path):
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "book.txt").write_text(numbered_text(), encoding="utf-8")
    overrides = [f"--config.{key}={value}" for key, value in SMALL_TEXT.items()]
    learned = [config("text.py"), "--config.data.root=texts", *overrides]
    command("prepare", "--workdir=run", *learned)
    prepared = (tmp_path / "run" / "data" / "metadata.json").stat().st_mtime_ns
    command("train", "--workdir=run", *learned)
    assert (tmp_path / "run" / "data" / "metadata.json").stat().st_mtime_ns == prepared
    command("evaluate", "--workdir=run", "--max_utterances=1")
    report = files.read_json(tmp_path / "run" / "evaluation" / "test" / "report.json")
    assert report["settings"]["step"] == 4
    assert 0 < report["text"]["bits_per_character"] < 8
    written = command(
        "generate", "--workdir=run", "--prompt=12: ", "--num_characters=20", "--seed=3"
    )
    model = workdirs.load(tmp_path / "run").model
    assert written == "12: " + model.generate_text("12: ", num_characters=20, seed=3)


def small(name, **sizes):
    """The source of a config that makes the short form of another one smaller."""
    sizes = {"residual_channels": 4, "gate_channels": 8, "skip_channels": 4, **sizes}
    return f"""
from configs import {name}

def get_config():
    config = {name}.get_config("smoke")
    config.model.update({sizes!r})
    return config
"""


def test_a_student_learns_from_its_teacher_and_is_exported(command, tmp_path):
    (tmp_path / "gaussian.py").write_text(small("r9y9_gaussian", num_layers=2))
    (tmp_path / "clarinet.py").write_text(small("clarinet", flow_layers=[1, 2]))
    command("train", "--config=gaussian.py", "--workdir=teacher")
    teacher = "--config.training.teacher=teacher"
    command("train", "--config=clarinet.py", teacher, "--workdir=student")
    command("export", "--workdir=student")
    model, _, metadata = workdirs.load(tmp_path / "student")
    assert metadata.step == 6
    mel = np.random.default_rng(0).uniform(0, 1, [1, 4, 80]).astype(np.float32)
    served = tf.saved_model.load(str(tmp_path / "student" / "export" / "1"))
    given = {"seed": tf.constant([3], tf.int64), "temperature": tf.constant(1.0)}
    audio = served.signatures["serving_default"](mel=tf.constant(mel), **given)["audio"]
    np.testing.assert_allclose(audio[0], model.generate(mel[0], seed=3), atol=1e-3)
