"""A student from its config: trained by a teacher's workdir, resumed, evaluated, generated."""

from __future__ import annotations

import shutil

import joblib
import numpy as np
import pytest
import tensorflow as tf
from sklearn.preprocessing import StandardScaler

from tests.support.shared import golden
from tests.training.conftest import RECIPE, write_corpus
from tfwavenet import interop, training
from tfwavenet.data.pipeline import Records
from tfwavenet.launch import generate, prepare
from tfwavenet.run import Run
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
        for key in ("num_layers", "distribution"):
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
    report = Run(student[0]).evaluate("validation", max_utterances=1, output_dir=tmp_path)
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
    with pytest.raises(ValueError, match="is expected. Received: '.*nobody'"):
        training.run(config, tmp_path / "student")
    assert not (tmp_path / "student" / "data").exists()


@pytest.mark.parametrize(
    ("section", "change", "message"),
    [
        ("recipe", {"fmin_hz": 60.0}, "recipe fmin_hz=60.0. Received: a teacher with"),
        ("recipe", {"sample_rate": 8000}, "recipe sample_rate=8000. Received: a teacher with"),
        ("recipe", {"n_mels": 7}, "recipe n_mels=7. Received: a teacher with recipe n_mels=8"),
        ("model", {"noise": "logistic"}, "that predicts a MixtureOfLogistics. Received: Gaussian"),
        (
            "model",
            {"speaker_channels": None},
            "num_speakers=None. Received: a teacher with num_speakers=2",
        ),
        ("model", {"num_speakers": 3}, "num_speakers=3. Received: a teacher with num_speakers=2"),
    ],
)
def test_a_teacher_that_does_not_fit_is_refused_before_the_data_are_prepared(
    student_config, tmp_path, section, change, message
):
    config = student_config()
    config[section].update(change)
    with pytest.raises(ValueError, match=message):
        training.run(config, tmp_path / "student")
    assert not (tmp_path / "student" / "data").exists()


def test_a_teacher_of_another_hop_is_refused_before_the_data_are_prepared(student_config, tmp_path):
    config = student_config()
    config["recipe"]["hop_samples"] = 8
    config["model"]["upsampler"]["config"]["scales"] = [4, 2]
    with pytest.raises(ValueError, match="recipe hop_samples=8. Received: a teacher with"):
        training.run(config, tmp_path / "student")
    assert not (tmp_path / "student" / "data").exists()


def test_a_student_of_another_corpus_takes_the_statistics_of_its_teacher(
    student_config, teacher, tmp_path, monkeypatch
):
    config = student_config()
    config["data"]["root"] = str(write_corpus(tmp_path / "corpus", files_per_speaker=5))
    training.run(config, tmp_path / "student")
    data = tmp_path / "student" / "data"
    assert Records(data).recipe == workdirs.load(teacher).metadata.recipe

    # So does the launcher that prepares alone; the run goes on with what it made.
    shutil.rmtree(data)
    flags = ["tfwavenet-prepare", f"--workdir={tmp_path / 'student'}"]
    monkeypatch.setattr("sys.argv", flags)
    with pytest.raises(SystemExit) as exit_:
        prepare.main()
    assert not exit_.value.code
    config["training"]["steps"] += 2
    assert np.isfinite(training.run(config, tmp_path / "student").history["loss"]).all()


def test_speakers_that_the_teacher_does_not_know_are_refused(student_config, tmp_path):
    config = student_config()
    corpus = write_corpus(tmp_path / "corpus", speakers=("high", "middle"), files_per_speaker=5)
    config["data"]["root"] = str(corpus)
    with pytest.raises(ValueError, match=r"\['high', 'low'\]. Received: .*'high', 'middle'\]"):
        training.run(config, tmp_path / "student")


def _imported_teacher(folder, statistics=True):
    """The workdir of a network of r9y9/wavenet_vocoder with 7 mels."""
    checkpoint = folder / "theirs" / "checkpoint.pth"
    checkpoint.parent.mkdir()
    shutil.copy(golden("r9y9_gaussian.pth"), checkpoint)
    shutil.copy(golden("r9y9_gaussian.json"), checkpoint.parent / "hparams.json")
    if statistics:
        scaler = StandardScaler().fit(np.random.default_rng(0).normal(-2, 1, [50, 7]))
        joblib.dump(scaler, checkpoint.parent / "meanvar.joblib")
    workdirs.store(interop.load(checkpoint).model, folder / "teacher")
    return folder / "teacher"


@pytest.fixture
def config_of_imported(student_config):
    """A function that gives the config of a student of `_imported_teacher`."""

    def make(teacher):
        config = student_config(teacher=str(teacher))
        config["recipe"] = {"base": "r9y9", "hop_samples": 12, "n_mels": 7}
        upsampler = {"class_name": "StretchUpsampler", "config": {"scales": [3, 4]}}
        config["model"].update(upsampler=upsampler, speaker_channels=None)
        return config

    return make


def test_an_imported_network_is_the_teacher_of_a_student(config_of_imported, tmp_path):
    config = config_of_imported(_imported_teacher(tmp_path))
    history = training.run(config, tmp_path / "student").history
    assert np.isfinite(history["divergence"]).all()
    scaler = joblib.load(tmp_path / "theirs" / "meanvar.joblib")
    recipe = Records(tmp_path / "student" / "data").recipe
    np.testing.assert_allclose(recipe.mean, scaler.mean_, rtol=1e-6)


def test_an_imported_teacher_without_statistics_is_refused_at_once(config_of_imported, tmp_path):
    config = config_of_imported(_imported_teacher(tmp_path, statistics=False))
    with pytest.raises(ValueError, match="statistics .* beside its checkpoint. Received: .*=None"):
        training.run(config, tmp_path / "student")
    assert not (tmp_path / "student" / "data").exists()


def test_a_contrast_needs_a_batch_of_several(student_config):
    config = student_config()
    config["model"]["contrastive_weight"] = 0.3
    resolve(config)
    config["data"]["batch_size"] = 1
    with pytest.raises(ValueError, match="'data.batch_size' must be at least 2 .*weight=0.3"):
        resolve(config)
    config["model"]["contrastive_weight"] = 0.0
    resolve(config)


def test_only_a_student_has_a_teacher(make_config, student_config, tmp_path):
    with pytest.raises(ValueError, match="'training.teacher' is for .* model.class_name='WaveN"):
        resolve(make_config(teacher="runs/teacher"))
    config = student_config()
    config["training"]["teacher"] = None
    with pytest.raises(ValueError, match="'training.teacher' must be a preset or the workdir"):
        training.run(config, tmp_path)
