"""A student from its config: trained by a teacher's workdir, resumed, evaluated, generated."""

from __future__ import annotations

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


@pytest.fixture(scope="module")
def student_config(make_config, teacher):
    """A function that gives the config of a student of it."""

    def make(**options):
        config = make_config(**{"teacher": str(teacher), "steps": 2, **options})
        for key in ("layers", "distribution"):
            del config["model"][key]
        config["model"].update(STUDENT)
        return config

    return make


@pytest.fixture(scope="module")
def student(student_config, tmp_path_factory):
    """The workdir of a student after two epochs, and the history."""
    folder = tmp_path_factory.mktemp("runs") / "student"
    return folder, training.run(student_config(steps=4), folder).history


@pytest.fixture
def run_generate(student, tmp_path, monkeypatch):
    """Runs the launcher for features of 20 frames and the student; returns its status."""

    def launch(*flags):
        np.save(tmp_path / "a.npy", np.zeros([20, RECIPE["n_mels"]], np.float32))
        paths = [f"--workdir={student[0]}", f"--mel={tmp_path / 'a.npy'}"]
        paths += [f"--output={tmp_path / 'a.wav'}", "--speaker=low"]
        monkeypatch.setattr("sys.argv", ["tfwavenet-generate", *paths, *flags])
        with pytest.raises(SystemExit) as exit_:
            generate.main()
        return exit_.value.code

    return launch


def test_both_parts_of_the_loss_are_in_the_history(student):
    _, history = student
    assert np.isfinite(history["loss"]).all()
    assert set(history) >= {"divergence", "spectral", "val_divergence", "val_spectral"}


def test_a_run_in_two_halves_gives_the_same_weights(student, student_config, tmp_path):
    for steps in (2, 4):
        training.run(student_config(steps=steps), tmp_path / "halves")
    models = [workdirs.load(folder).model for folder in (student[0], tmp_path / "halves")]
    for one, other in zip(*(model.get_weights() for model in models)):
        np.testing.assert_array_equal(one, other)


def test_is_evaluated_beside_its_teacher(student, tmp_path):
    report = evaluate.evaluate_workdir(
        student[0], split="validation", max_utterances=1, output_dir=tmp_path
    )
    assert list(report["systems"]) == ["model", "teacher", "griffin_lim"]
    assert report["loss"]["name"] == "distillation loss"


def test_generates_without_its_teacher(student, teacher, tmp_path, run_generate, capsys):
    newest = max((student[0] / "checkpoints").iterdir())
    assert not any("teacher" in name for name, _ in tf.train.list_variables(str(newest / "state")))
    gone = teacher.rename(teacher.with_name("gone"))
    try:
        assert not run_generate()
        assert (tmp_path / "a.wav").stat().st_size > 2 * 20 * RECIPE["hop_samples"]
        for flag in ("--top_p=0.9", "--eta=0"):
            assert run_generate(flag) == 1
            assert f"{flag.split('=')[0]} is for" in capsys.readouterr().err
    finally:
        gone.rename(teacher)


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
