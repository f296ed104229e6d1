"""`tfwavenet.training.workdir`: what may go on in a folder, and what is said when it may not."""

from __future__ import annotations

import json

import keras
import pytest

from tests.support.clips import diffusion_network
from tfwavenet import diffusion
from tfwavenet.audio import recipes
from tfwavenet.training import workdir
from tfwavenet.training.config import resolve
from tfwavenet.training.workdir import Workdir

RECIPE = recipes.get("speech_8k")


@pytest.fixture
def folder(tmp_path):
    """A workdir after the beginning of a run."""
    made = Workdir(tmp_path / "run")
    made.path.mkdir()
    made.record(resolve({}), RECIPE, ["a", "b"])
    return made


def test_remembers_config_recipe_and_speakers(folder):
    assert folder.config() == resolve({})
    assert folder.metadata() == (RECIPE, ["a", "b"])
    folder.require_same_config(resolve({}))
    folder.require_same_data(RECIPE, ["a", "b"])


def test_a_new_folder_takes_anything(tmp_path):
    fresh = Workdir(tmp_path / "new")
    assert fresh.config() is None
    fresh.require_same_config(resolve({"seed": 5}))
    fresh.require_same_data(RECIPE, ["x"])
    assert not fresh.path.exists()


def test_steps_may_grow_and_are_recorded(folder):
    longer = resolve({"training": {"steps": 200_000}})
    folder.require_same_config(longer)
    folder.record(longer, RECIPE, ["a", "b"])
    assert folder.config().training.steps == 200_000
    with pytest.raises(ValueError, match=r"Expected training\.steps=200000"):
        folder.require_same_config(resolve({}))


@pytest.mark.parametrize(
    "given",
    [
        {"training": {"keep_checkpoints": 9}},
        {"training": {"sample_epochs": 0, "sample_seconds": 1.0}},
        {"training": {"validation_batches": 1}},
        {"training": {"accumulate": 2}},
    ],
)
def test_what_the_weights_do_not_depend_on_may_change(folder, given, caplog):
    changed = resolve(given)
    folder.require_same_config(changed)
    folder.record(changed, RECIPE, ["a", "b"])
    assert folder.config() == changed
    assert "from here on" not in caplog.text


@pytest.mark.parametrize(
    ("key", "section", "value"),
    [
        ("batch_size", "data", 3),
        ("learning_rate", "training", {"class_name": "Noam", "config": {"warmup_steps": 7}}),
    ],
)
def test_batch_size_and_learning_rate_may_change_and_are_logged(
    folder, key, section, value, caplog
):
    changed = resolve({section: {key: value}})
    with caplog.at_level("INFO", logger="absl"):
        folder.require_same_config(changed)
    assert f"{section}.{key} was " in caplog.text and "from here on" in caplog.text
    folder.record(changed, RECIPE, ["a", "b"])
    assert folder.config() == changed


def test_a_constant_rate_does_not_become_a_schedule(folder):
    with pytest.raises(ValueError, match=r"Received: training\.learning_rate=0.001"):
        folder.require_same_config(resolve({"training": {"learning_rate": 1e-3}}))


def test_checkpoints_without_their_config_are_left_alone(folder):
    (folder.checkpoints / "00001000").mkdir(parents=True)
    folder.config_path.unlink()
    with pytest.raises(ValueError, match="put it back.*Received: workdir=.*without it"):
        folder.require_same_config(resolve({}))


def test_nothing_is_rewritten_without_need(folder):
    before = {path: path.stat().st_mtime_ns for path in folder.path.iterdir()}
    folder.record(resolve({}), RECIPE, ["a", "b"])
    assert {path: path.stat().st_mtime_ns for path in folder.path.iterdir()} == before


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"seed": 1}, r"Expected seed=0\. Received: seed=1"),
        ({"recipe": "speech_8k"}, r"Received: recipe='speech_8k'"),
        (
            {"model": {"num_layers": 3}},
            r"Expected model\.num_layers=20\. Received: model\.num_layers=3",
        ),
        ({"training": {"clip_norm": None}}, r"Received: training\.clip_norm=None"),
    ],
)
def test_another_config_is_named(folder, given, message):
    with pytest.raises(ValueError, match=message):
        folder.require_same_config(resolve(given))


def test_other_data_are_named(folder):
    with pytest.raises(ValueError, match=r"other speakers.*\['a', 'b'\].*speakers=\['b', 'a'\]"):
        folder.require_same_data(RECIPE, ("b", "a"))
    with pytest.raises(ValueError, match=r"another recipe.*=8000. Received: sample_rate=16000"):
        folder.require_same_data(recipes.get("speech_16k"), ["a", "b"])


@pytest.mark.parametrize("name", ["config.json", "metadata.json"])
@pytest.mark.parametrize("content", ["", "{", "[]", '{"sed": 1}'])
def test_a_damaged_file_is_named(folder, name, content):
    path = folder.path / name
    path.write_text(content)
    read = folder.config if name == "config.json" else folder.metadata
    with pytest.raises(ValueError, match="Received|damaged") as caught:
        read()
    assert name in str(caught.value)


def test_a_changed_recipe_is_noticed(folder):
    stored = json.loads(folder.metadata_path.read_text())
    stored["recipe"]["fmax_hz"] = 3000.0
    folder.metadata_path.write_text(json.dumps(stored))
    with pytest.raises(ValueError, match="was changed after training, expected the fingerprint"):
        folder.metadata()


def test_only_one_holds_the_lock(folder):
    with folder.locked(), pytest.raises(ValueError, match=r"one process at a time.*workdir="):
        Workdir(folder.path).locked().__enter__()
    with Workdir(folder.path).locked():
        pass


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda folder: folder.config_path.unlink(), r"has a config\.json"),
        (lambda folder: folder.metadata_path.unlink(), r"has a metadata\.json"),
        (lambda folder: None, r"first checkpoint after training\.steps_per_epoch=1000 steps"),
    ],
)
def test_load_says_what_is_missing(tmp_path, prepare, message):
    made = Workdir(tmp_path)
    recipe = recipes.get("speech_16k")
    made.record(resolve({"model": {"num_layers": 1}}), recipe, ["a"])
    prepare(made)
    with pytest.raises(ValueError, match=message) as caught:
        workdir.load(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_load_rejects_other_weights(tmp_path):
    with pytest.raises(ValueError, match=r"weights must be 'ema' or 'raw'\. Received: weights='x'"):
        workdir.load(tmp_path, weights="x")


def test_load_gives_the_model_its_stored_schedule_for_good(tmp_path):
    workdir.store(diffusion_network(inference_schedule=[0.03, 0.4]), tmp_path / "run")
    assert workdir.load(tmp_path / "run").model.inference_schedule.betas == (0.03, 0.4)
    found = diffusion.get([0.02, 0.1, 0.3])
    Workdir(tmp_path / "run").store_inference_schedule(found)
    model = workdir.load(tmp_path / "run").model
    assert model.inference_schedule == found
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.inference_schedule == found
