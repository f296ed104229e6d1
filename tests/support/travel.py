"""Writes every kind of file with one version of Keras, to be read with the other.

    python -m tests.support.travel write FOLDER
    python -m tests.support.travel read FOLDER

`read` prints as JSON how far what it computes is from what `write` computed.
"""

from __future__ import annotations

import hashlib
import json
import pathlib
import shutil
import sys

import keras
import numpy as np
import tensorflow as tf

import tfwavenet
from configs import smoke
from tests.conformance.inventory import MODELS
from tests.support.tiny_models import stir
from tfwavenet import training
from tfwavenet.training import building
from tfwavenet.training.config import resolve

NAMES = ("WaveNet-vocoder", "DiffWave-vocoder", "ParallelWaveNet-gaussian", "WaveNet-text")
STREAMED = ("WaveNet-vocoder", "ParallelWaveNet-gaussian")


def conditions(name):
    """The arguments of `generate` for the first utterance of a model's batch."""
    batch = MODELS[name].batch
    found = {key: batch[key][:1] for key in ("mel", "speaker") if key in batch}
    return found if "mel" in batch else {"samples": 16}


def results(model, name):
    """What a model computes for its batch, and what it generates."""
    return {
        "outputs": np.asarray(model(MODELS[name].batch)),
        "audio": np.asarray(model.generate(**conditions(name), seed=3)),
    }


def config(initial, steps):
    """Two hundred updates of the smallest experiment, from given weights."""
    chosen = smoke.get_config()
    chosen.training.update(
        steps=steps,
        steps_per_epoch=50,
        sample_epochs=0,
        init=initial and str(initial),
        validation_batches=1,
    )
    # A fresh mixture of logistics, and steps of the experiment's own size, let rounding grow to
    # percents within 200 updates.
    chosen.model.distribution = "Categorical"
    chosen.training.learning_rate = 3e-4
    return chosen


def digests(folder):
    """A digest of each file of prepared data but its metadata, which say who wrote them."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
        if path.name != "metadata.json"
    }


def write(folder):
    for name in NAMES:
        keras.utils.set_random_seed(1)
        model = MODELS[name].build()
        model.build()
        stir(model, 0.1)
        model.save(folder / f"{name}.keras")
        model.save_to_preset(folder / name)
        found = results(model, name)
        if name in STREAMED:
            mel, speaker = MODELS[name].batch["mel"], MODELS[name].batch.get("speaker")
            stream = model.stream(batch_size=len(mel), speaker=speaker, seed=3)
            stream.push(mel[:, :5])
            stream.save(folder / f"{name}.stream")
            found["rest"] = np.concatenate([stream.push(mel[:, 5:]), stream.finish()], axis=-1)
        np.savez(folder / f"{name}.npz", **found)
    train(folder)


def train(folder):
    tfwavenet.prepare("bundled", output_dir=folder / "data", recipe="speech_8k")
    records = tfwavenet.Records(folder / "data")
    keras.utils.set_random_seed(2)
    model = building.build_model(
        resolve(config(None, 200)), recipe=records.recipe, speakers=records.speakers
    )
    model.save_to_preset(folder / "initial", speakers=records.speakers)
    first = training.run(config(folder / "initial", 200), folder / "run")
    shutil.copytree(folder / "run", folder / "stopped")
    more = training.run(config(folder / "initial", 250), folder / "run")
    run = tfwavenet.Run(folder / "run")
    run.export(folder / "export")
    mel = records.utterance("test", 0).mel[:30]
    described = {
        "losses": first.history["loss"],
        "more": more.history["loss"],
        "digests": digests(folder / "run" / "data"),
        "served": np.asarray(served(folder / "export", mel)).tolist(),
        "audio": run.model.generate(mel, speaker=0, seed=3).tolist(),
        "mel": mel.tolist(),
    }
    (folder / "run.json").write_text(json.dumps(described))


def served(folder, mel):
    """What an exported model answers to a request."""
    version = next(path for path in folder.iterdir() if path.name.isdigit())
    signature = tf.saved_model.load(str(version)).signatures["serving_default"]
    inputs = signature.structured_input_signature[1]
    given = {"mel": mel[np.newaxis], "speaker": np.array([0]), "seed": np.array([3])}
    feed = {name: tf.cast(given.get(name, 1), spec.dtype) for name, spec in inputs.items()}
    return next(iter(signature(**feed).values()))


def read(folder):
    far = {}

    def compare(what, one, other):
        far[what] = float(
            np.max(np.abs(np.asarray(one) - np.asarray(other, np.float64)), initial=0.0)
        )

    for name in NAMES:
        with np.load(folder / f"{name}.npz") as expected:
            for kind, model in {
                "keras": tfwavenet.load_model(folder / f"{name}.keras"),
                "preset": tfwavenet.from_preset(folder / name),
            }.items():
                for key, value in results(model, name).items():
                    compare(f"{name} {kind} {key}", value, expected[key])
            if name in STREAMED:
                stream = model.load_stream(folder / f"{name}.stream")
                mel = MODELS[name].batch["mel"]
                rest = np.concatenate([stream.push(mel[:, 5:]), stream.finish()], axis=-1)
                compare(f"{name} stream", rest, expected["rest"])
    described = json.loads((folder / "run.json").read_text())
    mel = np.float32(described["mel"])
    loaded = training.load(folder / "run").model
    compare("run audio", loaded.generate(mel, speaker=0, seed=3), described["audio"])
    compare("served", served(folder / "export", mel), described["served"])
    again = training.run(config(folder / "initial", 200), folder / "again").history["loss"]
    compare("losses", np.divide(again, described["losses"]), 1.0)
    more = training.run(config(folder / "initial", 250), folder / "stopped").history["loss"]
    compare("losses resumed", np.divide(more, described["more"]), 1.0)
    far["data differ"] = float(digests(folder / "again" / "data") != described["digests"])
    sys.stdout.write(json.dumps(far) + "\n")


if __name__ == "__main__":
    {"write": write, "read": read}[sys.argv[1]](pathlib.Path(sys.argv[2]))
