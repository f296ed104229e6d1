"""`load_model` reads what `save` wrote, and runs no code that a file names."""

from __future__ import annotations

import json
import shutil
import zipfile

import h5py
import keras
import numpy as np
import pytest

import tfwavenet
from tests.conformance.inventory import MODELS

# Each would leave a file behind if it were called, or import a module that the file names.
PAYLOADS = {
    "function": {
        "module": "os",
        "class_name": "function",
        "config": "mkdir",
        "registered_name": "mkdir",
    },
    "class": {
        "module": "subprocess",
        "class_name": "Popen",
        "config": {"args": ["touch", "evil"]},
        "registered_name": None,
    },
    "lambda": {"module": "keras.layers", "class_name": "Lambda", "config": {"function": "evil"}},
}


def small():
    model = tfwavenet.WaveNet(
        num_layers=2,
        residual_channels=4,
        gate_channels=8,
        skip_channels=4,
        upsampler={"class_name": "StretchUpsampler", "config": {"scales": [2, 2]}},
        local_channels=3,
    )
    model.build()
    return model


def rewritten(source, target, change):
    """Copies a `.keras` file with a changed configuration."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "config.json":
                described = json.loads(content)
                change(described)
                content = json.dumps(described).encode()
            new.writestr(name, content)
    return target


@pytest.mark.parametrize("name", MODELS)
def test_a_model_comes_back(name, tmp_path):
    keras.utils.set_random_seed(1)
    model = MODELS[name].taught(MODELS[name].build())
    model.compile("adam")
    batch = MODELS[name].batch
    expected = model(batch)
    model.save(tmp_path / "model.keras")
    loaded = tfwavenet.load_model(tmp_path / "model.keras")
    assert type(loaded) is type(model)
    np.testing.assert_array_equal(loaded(batch), expected)


def test_frozen_layers_stay_frozen(tmp_path):
    model = small()
    model.blocks[0].trainable = False
    model.save(tmp_path / "model.keras")
    loaded = tfwavenet.load_model(tmp_path / "model.keras")
    assert len(loaded.trainable_weights) == len(model.trainable_weights)


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("place", ["input_activation", "distribution", "upsampler", "activation"])
@pytest.mark.parametrize("kind", ["file", "preset"])
def test_no_code_that_a_file_names_is_run(kind, place, payload, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def change(described):
        if place == "activation":
            described["config"]["upsampler"]["config"]["activation"] = PAYLOADS[payload]
        else:
            described["config"][place] = PAYLOADS[payload]

    if kind == "file":
        small().save("good.keras")
        path = rewritten("good.keras", "bad.keras", change)
        load = tfwavenet.load_model
    else:
        path = small().save_to_preset("preset")
        described = json.loads((path / "config.json").read_text())
        change(described)
        (path / "config.json").write_text(json.dumps(described))
        metadata = json.loads((path / "metadata.json").read_text())
        metadata["checksums"]["config.json"] = tfwavenet.models.presets._checksum(
            path / "config.json"
        )
        (path / "metadata.json").write_text(json.dumps(metadata))
        load = tfwavenet.from_preset
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ValueError, match="Received"):
        load(path)
    assert sorted(tmp_path.iterdir()) == before


def test_another_packages_model_is_refused(tmp_path):
    model = keras.Sequential([keras.Input([2]), keras.layers.Dense(1)])
    model.save(tmp_path / "model.keras")
    with pytest.raises(ValueError, match="a model of this package. Received: class_name="):
        tfwavenet.load_model(tmp_path / "model.keras")


def test_weights_in_another_file_are_refused(tmp_path):
    small().save(tmp_path / "model.keras")
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["secret"] = np.zeros([4])
    with zipfile.ZipFile(tmp_path / "model.keras") as old:
        old.extractall(tmp_path / "parts")
    with h5py.File(tmp_path / "parts" / "model.weights.h5", "r+") as file:
        file["linked"] = h5py.ExternalLink(str(secret), "secret")
    shutil.make_archive(str(tmp_path / "bad"), "zip", tmp_path / "parts")
    with pytest.raises(ValueError, match=r"weights in one file. Received: //?linked in another"):
        tfwavenet.load_model(tmp_path / "bad.zip")


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x05\x06" + b"\0" * 18])
def test_a_damaged_file_is_named(content, tmp_path):
    path = tmp_path / "model.keras"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"Expected a .keras file .* Received: path=.*model.keras"):
        tfwavenet.load_model(path)


def test_a_registered_activation_is_taken(tmp_path):
    @keras.saving.register_keras_serializable("test_keras_files")
    def halved(inputs):
        return inputs / 2

    model = tfwavenet.WaveNet(num_layers=2, residual_channels=4, input_activation=halved)
    model.build()
    model.save(tmp_path / "model.keras")
    loaded = tfwavenet.load_model(tmp_path / "model.keras")
    assert loaded.input_activation is halved
