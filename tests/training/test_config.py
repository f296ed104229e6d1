"""`tfwavenet.training.config`: one set of defaults, unknown keys and bad values named."""

from __future__ import annotations

import doctest
import json
import os
import re

import ml_collections
import pytest
from absl import flags

from tfwavenet import models
from tfwavenet.launch import config_flag
from tfwavenet.training import config as config_module
from tfwavenet.training import config_keys
from tfwavenet.training.config import default_config, first_difference, resolve


def changed(**keys):
    """The default config with dotted keys (`__` for the dot) changed."""
    config = default_config()
    for key, value in keys.items():
        section, _, name = key.rpartition("__")
        (config[section] if section else config)[name] = value
    return config


def test_nothing_resolves_to_the_defaults():
    assert resolve({}) == resolve(default_config())


def test_resolving_is_idempotent_and_locks():
    config = resolve({"seed": 3, "model": {"num_layers": 5}})
    assert resolve(config) == config
    with pytest.raises((AttributeError, KeyError)):
        config.sed = 4


def test_the_model_section_is_the_constructors():
    config = resolve({"model": {"num_layers": 5}})
    assert config.model.num_layers == 5
    assert config.model.kernel_size == models.WaveNet().kernel_size
    assert "recipe" not in config.model
    assert "kwargs" not in config.model


def test_a_resolved_config_survives_json():
    config = resolve(changed(model__distribution={"class_name": "Gaussian", "config": {}}))
    assert resolve(json.loads(json.dumps(config.to_dict()))) == config


def test_named_classes_replace_the_default():
    config = resolve({"training": {"learning_rate": {"class_name": "Noam"}}})
    assert config.training.learning_rate.to_dict() == {"class_name": "Noam"}
    assert resolve({"training": {"learning_rate": 1e-4}}).training.learning_rate == 1e-4


def test_every_default_is_documented():
    for key in config_keys.KEYS:
        row = f"`{key.name}` | `{key.default!r}` | {key.help}"
        assert row in config_keys.__doc__
        assert f"{key.name} ({key.default!r}): {key.help}" in config_keys.help_text()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sed": 1}, r"'sed' is unknown \(did you mean 'seed'\?\)"),
        (
            {"training": {"step": 1}},
            r"'training\.step' is unknown \(did you mean 'training\.steps'",
        ),
        ({"steps": 1}, r"'steps' is unknown \(did you mean 'training\.steps'\?\)"),
        (
            {"data": {"num_layers": 1}},
            r"'data\.num_layers' is unknown \(did you mean 'model\.num_layers'\?\)",
        ),
        ({"model": {"dilations": 3}}, r"'model\.dilations' is unknown"),
        ({"model": {"recipe": "x"}}, r"'model\.recipe' is unknown"),
        ({"model": {"class_name": "WaveNett"}}, r"\(did you mean 'WaveNet'\?\)"),
        ({"model": 3}, r"'model' must be a mapping. Received: model=3"),
        ({"data": [1]}, r"'data' must be a mapping. Received: data=\[1\]"),
        ([], r"a config must be a mapping\. Received: config=\[\]"),
        ({"seed": object()}, r"a config holds numbers, strings, lists and mappings only"),
    ],
)
def test_unknown_keys_are_named(given, message):
    with pytest.raises(ValueError, match=message):
        resolve(given)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", 0.5),
        ("data.batch_size", 0),
        ("data.crop_frames", "40"),
        ("training.steps", True),
        ("training.steps_per_epoch", 0),
        ("training.beta_1", 1.0),
        ("training.clip_norm", 0),
        ("training.ema_decay", 1),
        ("training.precision", "float16"),
        ("training.jit_compile", 1),
        ("training.validation_batches", -1),
        ("training.keep_checkpoints", 0),
        ("training.sample_seconds", 0),
    ],
)
def test_bad_values_are_named(key, value):
    with pytest.raises(ValueError, match=rf"{re.escape(key)}' must be .*Received: {key}={value!r}"):
        resolve(changed(**{key.replace(".", "__"): value}))


@pytest.mark.parametrize("key", ["training.clip_norm", "training.ema_decay"])
def test_some_values_may_be_none(key):
    assert resolve(changed(**{key.replace(".", "__"): None})).training[key.split(".")[1]] is None


@pytest.mark.parametrize(
    ("kind", "override", "value"),
    [
        ("WaveNet", "data.root=/data/2020", "/data/2020"),
        ("WaveNet", "data.root=2020", os.path.abspath("2020")),
        ("WaveNet", "training.clip_norm=None", None),
        ("WaveNet", "training.ema_decay=0.5", 0.5),
        ("WaveNet", "model.speaker_channels=16", 16),
        ("WaveNet", "model.head_weight_norm=False", False),
        ("WaveNet", "model.num_layers=7", 7),
        ("WaveNet", "training.learning_rate.config.initial=0.1", 0.1),
        ("DiffWave", "model.prior=0.25", 0.25),
        ("DiffWave", "model.prior=energy", "energy"),
    ],
)
def test_a_command_line_can_change_any_kind_of_key(kind, override, value, tmp_path, monkeypatch):
    path = tmp_path / "config.py"
    path.write_text(
        "from tfwavenet.training.config import default_config as get_config", encoding="utf-8"
    )
    argv = ["program", f"--config={path}:{kind}", f"--config.{override}"]
    monkeypatch.setattr("sys.argv", argv)
    values = flags.FlagValues()
    holder = config_flag.define("", values)
    values(argv)
    found = resolve(holder.value)
    for part in override.split("=")[0].split("."):
        found = found[part]
    assert found == value
    assert type(found) is type(value)


def test_an_optional_key_takes_a_mapping_too():
    config = default_config()
    config.model.update(upsampler={"class_name": "StretchUpsampler", "config": {"scales": [4]}})
    config.model.upsampler.config.padding_frames = 2
    assert resolve(config).model.upsampler.config.to_dict() == {"scales": [4], "padding_frames": 2}


def test_steps_must_fill_whole_epochs():
    with pytest.raises(ValueError, match=r"multiple of training\.steps_per_epoch=1000"):
        resolve({"training": {"steps": 1500}})


def test_the_learning_rate_is_checked():
    with pytest.raises(ValueError, match="schedule 'Noan' is unknown"):
        resolve({"training": {"learning_rate": {"class_name": "Noan"}}})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", 1),
        ("model__num_layers", 7),
        ("recipe", {"sample_rate": 8000}),
        ("data__root", "/x"),
    ],
)
def test_first_difference_names_the_key(key, value):
    old, new = resolve({}), resolve(changed(**{key: value}))
    found = first_difference(old, new)
    assert found is not None
    assert found[0].startswith(key.replace("__", "."))
    assert first_difference(new, old)[0].startswith(key.replace("__", "."))
    assert first_difference(new, ml_collections.ConfigDict(new.to_dict())) is None


def test_first_difference_shows_a_mapping_where_a_number_was():
    old, new = resolve({}), resolve(changed(training__learning_rate=1e-4))
    schedule = old.training.learning_rate.to_dict()
    assert first_difference(old, new) == ("training.learning_rate", schedule, 1e-4)
    key, before, after = first_difference(new, old)
    assert key.startswith("training.learning_rate")
    assert after is not None or before == 1e-4


def test_examples_in_the_docstrings():
    assert doctest.testmod(config_module).failed == 0


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("data.max_seconds", float("inf"), "must be finite"),
        ("training.learning_rate", float("nan"), "must be finite"),
        ("data.max_seconds", None, "number in"),
        ("data.test", "a", "number in"),
        ("data.root", 5, "a string or None"),
        ("data.split_seed", None, "integer"),
        ("data.with_mel", 1, "True or False"),
        ("training.learning_rate", {"class_name": "Noam", "config": 5}, "must be a mapping"),
    ],
)
def test_values_of_other_types_are_refused(key, value, message):
    with pytest.raises(ValueError, match=message):
        resolve(changed(**{key.replace(".", "__"): value}))


def test_folders_are_those_of_the_directory_in_which_a_run_begins(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = resolve(changed(data__root="../speech"))
    assert config.data.root == str(tmp_path.parent / "speech")
