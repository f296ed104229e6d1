"""Training that starts from a preset or another run."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from tests.training.conftest import RECIPE, write_corpus
from tfwavenet import training
from tfwavenet.data.pipeline import Records
from tfwavenet.run import Run

# A rate that moves no weight by more than 1e-6.
STILL = {"learning_rate": 1e-8, "steps": 2}


@pytest.fixture(scope="module")
def trained(make_config, tmp_path_factory):
    """A run of two speakers, "high" and "low", and the same model as a preset."""
    run = Run(tmp_path_factory.mktemp("trained") / "run")
    run.train(make_config())
    return run, run.save_to_preset(run.path.parent / "preset")


def bare(make_config, init, **training_keys):
    """A config that leaves network and recipe to what training starts from."""
    config = make_config(init=str(init), **training_keys)
    del config["model"], config["recipe"]
    return config


def assert_same_weights(model, expected):
    for ours, theirs in zip(model.trainable_weights, expected.trainable_weights):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), atol=1e-6)


@pytest.mark.parametrize("kind", ["preset", "run"])
def test_network_recipe_and_weights_are_taken_over(kind, trained, make_config, tmp_path):
    run, preset = trained
    source = preset if kind == "preset" else run.path
    started = Run(tmp_path)
    started.train(bare(make_config, source, **STILL))
    assert started.model.count_params() == run.model.count_params()
    assert_same_weights(started.model, run.model)
    assert started.records.recipe == run.model.recipe


def test_the_whole_config_of_the_model_may_be_given_again(trained, make_config, tmp_path):
    config = make_config(init=str(trained[1]), model={"dropout": 0.1}, **STILL)
    config["recipe"] = dict(RECIPE)
    started = Run(tmp_path)
    started.train(config)
    assert started.model.dropout == 0.1


def test_a_new_speaker_gets_a_row_and_the_known_keep_theirs(trained, make_config, tmp_path):
    run, preset = trained
    root = write_corpus(tmp_path / "corpus", speakers=("able", "low"))
    config = bare(make_config, preset, **STILL)
    config["data"]["root"] = str(root)
    started = Run(tmp_path / "run")
    started.train(config)
    assert started.speakers == ["high", "low", "able"]
    rows = started.model.speaker_embedding.weights[0].numpy()
    known = run.model.speaker_embedding.weights[0].numpy()
    np.testing.assert_allclose(rows[:2], known, atol=1e-6)
    np.testing.assert_allclose(rows[2], known.mean(axis=0), atol=1e-6)
    numbers = {
        item.name.split("/")[0]: item.speaker for item in started.records.utterances("train")
    }
    assert numbers == {"able": 2, "low": 1}


def test_prepared_data_may_number_the_speakers_otherwise(trained, make_config, tmp_path):
    run, preset = trained
    root = write_corpus(tmp_path / "corpus", speakers=("zeno", "low"))
    other = {**make_config(), "recipe": run.model.recipe.get_config()}
    other["data"] = {**other["data"], "root": str(root)}
    data = Run(tmp_path / "data").prepare(other)
    assert Records(data).speakers == ("low", "zeno")
    config = bare(make_config, preset, **STILL)
    config["data"]["records"] = str(data)
    started = Run(tmp_path / "run")
    started.train(config)
    rows = started.model.speaker_embedding.weights[0].numpy()
    known = run.model.speaker_embedding.weights[0].numpy()
    np.testing.assert_allclose(rows, [known[1], known.mean(axis=0)], atol=1e-6)


def test_a_run_goes_on_when_its_preset_is_gone(trained, make_config, tmp_path):
    preset = tmp_path / "preset"
    shutil.copytree(trained[1], preset)
    run = Run(tmp_path / "run")
    run.train(bare(make_config, preset, steps=2))
    shutil.rmtree(preset)
    run.train(bare(make_config, preset, steps=4))
    assert run.step == 4


def test_a_run_is_killed_before_its_first_checkpoint(trained, make_config, tmp_path):
    """What the folder holds then starts again from the preset."""
    run = Run(tmp_path)
    run.train(bare(make_config, trained[1], **STILL))
    shutil.rmtree(tmp_path / "checkpoints")
    run.train(bare(make_config, trained[1], **STILL))
    assert_same_weights(run.model, trained[0].model)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": {"num_layers": 3}}, r"'model.num_layers' must be .* 2, or be left out.*=3"),
        ({"model": {"class_name": "DiffWave"}}, r"'model.class_name' must be .* 'WaveNet'"),
        ({"recipe": "speech_22k"}, r"'recipe' must be that of training.init=.*sample_rate=22050"),
        ({"model": {"dilation_cycle": 1}}, r"'model.dilation_cycle' must be"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_made(
    change, message, trained, make_config, tmp_path
):
    config = {**bare(make_config, trained[1]), **change}
    with pytest.raises(ValueError, match=message):
        training.run(config, tmp_path / "run")
    assert not (tmp_path / "run" / "data").exists()


def test_an_unknown_source_is_refused(make_config, tmp_path):
    with pytest.raises(ValueError, match=r"the name of a preset \(.*is expected.* Received: "):
        training.run(bare(make_config, tmp_path / "nothing"), tmp_path / "run")
