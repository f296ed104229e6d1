"""A student from its config: trained by a teacher's workdir, resumed, evaluated, generated."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import tensorflow as tf

from tests.training.conftest import RECIPE
from tfwavenet import training
from tfwavenet.launch import evaluate, generate
from tfwavenet.training import workdir as workdirs
from tfwavenet.training.config import resolve

STUDENT = {
    "class_name": "ParallelWaveNet",
    "flow_layers": [1, 2],
    "spectral_resolutions": [[64, 16, 64]],
}


@pytest.fixture(scope="module")
def teacher(make_config, tmp_path_factory):
    """The workdir of a trained teacher."""
    folder = tmp_path_factory.mktemp("runs") / "teacher"
    training.run(make_config(), folder)
    return folder


@pytest.fixture
def student_config(make_config, teacher):
    """A function that gives the config of a student of it."""

    def make(**options):
        config = make_config(**{"teacher": str(teacher), "steps": 2, **options})
        for key in ("layers", "distribution"):
            del config["model"][key]
        config["model"].update(STUDENT)
        return config

    return make


@pytest.fixture
def run_generate(tmp_path, monkeypatch):
    """Runs the launcher for features of 20 frames and the workdir `student`; returns its status."""

    def launch(*flags):
        np.save(tmp_path / "a.npy", np.zeros([20, RECIPE["n_mels"]], np.float32))
        paths = [f"--workdir={tmp_path / 'student'}", f"--mel={tmp_path / 'a.npy'}"]
        paths += [f"--output={tmp_path / 'a.wav'}", "--speaker=low"]
        monkeypatch.setattr("sys.argv", ["tfwavenet-generate", *paths, *flags])
        with pytest.raises(SystemExit) as exit_:
            generate.main()
        return exit_.value.code

    return launch


def test_learns_resumes_and_is_evaluated_beside_its_teacher(student_config, tmp_path):
    whole = training.run(student_config(steps=4), tmp_path / "whole")
    assert np.isfinite(whole.history["loss"]).all()
    assert set(whole.history) >= {"divergence", "spectral", "val_divergence", "val_spectral"}
    for steps in (2, 4):
        training.run(student_config(steps=steps), tmp_path / "halves")
    models = [workdirs.load(tmp_path / name).model for name in ("whole", "halves")]
    for one, other in zip(*(model.get_weights() for model in models)):
        np.testing.assert_array_equal(one, other)

    report = evaluate.evaluate_workdir(tmp_path / "whole", split="validation", max_utterances=1)
    assert list(report["systems"]) == ["model", "teacher", "griffin_lim"]
    assert report["loss"]["name"] == "distillation loss"
    newest = next(iter(sorted((tmp_path / "whole" / "checkpoints").iterdir(), reverse=True)))
    assert not any("teacher" in name for name, _ in tf.train.list_variables(str(newest / "state")))


def test_generates_without_its_teacher(student_config, teacher, tmp_path, run_generate, capsys):
    gone = tmp_path / "gone"
    shutil.copytree(teacher, gone)
    training.run(student_config(teacher=str(gone)), tmp_path / "student")
    shutil.rmtree(gone)
    assert not run_generate()
    assert (tmp_path / "a.wav").stat().st_size > 2 * 20 * RECIPE["hop_samples"]

    for flag in ("--top_p=0.9", "--eta=0"):
        assert run_generate(flag) == 1
        assert f"{flag.split('=')[0]} is for" in capsys.readouterr().err


def test_a_missing_teacher_is_named_before_the_data_are_prepared(student_config, tmp_path):
    config = student_config()
    config["training"]["teacher"] = str(tmp_path / "nobody")
    with pytest.raises(ValueError, match="nobody' without it"):
        training.run(config, tmp_path / "student")
    assert not (tmp_path / "student" / "data").exists()


def test_a_teacher_of_another_recipe_is_refused(student_config, tmp_path):
    config = student_config()
    config["recipe"]["fmin_hz"] = 60.0
    with pytest.raises(ValueError, match="recipe fmin_hz=60.0. Received: a teacher with"):
        training.run(config, tmp_path / "student")


def test_only_a_student_has_a_teacher(make_config, student_config):
    with pytest.raises(ValueError, match="'training.teacher' must be .* model.class_name='WaveN"):
        resolve(make_config(teacher="runs/teacher"))
    config = student_config()
    config["training"]["teacher"] = None
    with pytest.raises(ValueError, match="'training.teacher' must be the workdir"):
        resolve(config)
