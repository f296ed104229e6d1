"""`tfwavenet.training.run_training`: trains, resumes to the bit, keeps its folder in order, says no clearly."""

from __future__ import annotations

import json
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework import config as tf_config

from tests.support.full_disk import file_size_limit
from tests.training.conftest import RECIPE, write_corpus
from tfwavenet import training
from tfwavenet.audio import audio_files
from tfwavenet.training import mel_figure
from tfwavenet.training.callbacks import NonFiniteLossError
from tfwavenet.training.checkpoints import steps_in
from tfwavenet.training.workdir import Workdir


def newest_checkpoint(workdir):
    """Every variable in the newest checkpoint, by name."""
    step = steps_in(workdir / "checkpoints")[-1]
    reader = tf.train.load_checkpoint(str(workdir / "checkpoints" / f"{step:08d}" / "state"))
    names = reader.get_variable_to_shape_map()
    return {name: reader.get_tensor(name) for name in names if "OBJECT_GRAPH" not in name}


def assert_same_checkpoint(one, other):
    first, second = newest_checkpoint(one), newest_checkpoint(other)
    assert first.keys() == second.keys()
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name], err_msg=name)


def logged(logs, kind):
    """What the event files have for a plugin of TensorBoard: {tag: [(step, value)]}."""
    found = {}
    for path in sorted(logs.glob("events*")):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                if value.metadata.plugin_data.plugin_name == kind:
                    content = tf.make_ndarray(value.tensor)
                    found.setdefault(value.tag, []).append((event.step, content))
    return found


def assert_samples_are_logged(workdir):
    """Asserts that TensorBoard has both sounds of the files of step 4, and the mels of both."""
    (path,) = (workdir / "samples" / "00000004").glob("*.wav")
    paths = {"generated": path, "recording": workdir / "samples" / "recording" / path.name}
    ((tag, [(step, (_, _, png))]),) = logged(workdir / "logs", "images").items()
    name = tag.removesuffix("/mel")
    assert (name.replace("/", "_"), step) == (path.stem, 4)
    heard = logged(workdir / "logs", "audio")
    assert sorted(heard) == [f"{name}/{title}" for title in paths]
    audio = {}
    for title, file in paths.items():
        ((step, sounds),) = heard[f"{name}/{title}"]
        assert step == 4
        audio[title] = tf.audio.decode_wav(sounds[0, 0]).audio[:, 0].numpy()
        np.testing.assert_allclose(audio[title], audio_files.read(file)[0], atol=1e-4)
    assert np.any(audio["generated"] != audio["recording"])
    for picture in (png, path.with_suffix(".png").read_bytes()):
        assert_shows(picture, audio, Workdir(workdir).metadata()[0])


def assert_shows(png, audio, recipe):
    """Asserts that a picture is that of the mels of audio by title, in this order."""
    mels = {title: recipe.compressed_mel(one).numpy() for title, one in audio.items()}
    seconds = recipe.hop_samples / recipe.sample_rate
    expected = mel_figure.to_png(mel_figure.mel_figure(mels, frame_seconds=seconds))
    shown, expected = (
        tf.image.decode_png(one, channels=3).numpy().astype(int) for one in (png, expected)
    )
    # The audio was rounded to 16 bits, which moves some colors a little.
    assert np.mean(np.abs(shown - expected)) < 1


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The workdir and the history of an uninterrupted run of two epochs; see `make_config`."""
    return tmp_path_factory.mktemp("run") / "workdir", []


@pytest.fixture
def finished(trained, make_config):
    """`trained`, run by the first test that asks."""
    workdir, history = trained
    if not history:
        config = make_config(sample_epochs=2, sample_utterances=1)
        history.append(training.run(config, workdir).history)
    return workdir, history[0]


def test_history_has_every_epoch(finished):
    _, history = finished
    assert len(history["loss"]) == len(history["val_loss"]) == 2
    assert history["loss"][1] < history["loss"][0]
    np.testing.assert_allclose(history["learning_rate"], [1e-2, 1e-2])
    assert min(history["samples_per_second"]) > 0
    assert min(history["gradient_norm"]) > 0


def test_the_folder_holds_all_that_is_needed(finished):
    workdir, _ = finished
    assert steps_in(workdir / "checkpoints") == [2, 4]
    assert json.loads((workdir / "config.json").read_text())["training"]["steps"] == 4
    metadata = json.loads((workdir / "metadata.json").read_text())
    assert metadata["speakers"] == ["high", "low"]
    assert len(metadata["recipe"]["mean"]) == RECIPE["n_mels"]
    assert not list(workdir.rglob("*.tmp-*"))


def test_tensorboard_gets_the_scalars(finished):
    workdir, history = finished
    found = logged(workdir / "logs", "scalars")
    for tag in ("train/loss", "validation/loss", "train/learning_rate", "train/gradient_norm"):
        assert [step for step, _ in found[tag]] == [2, 4]
    np.testing.assert_allclose([value for _, value in found["train/loss"]], history["loss"])


def test_tensorboard_gets_what_was_generated_and_the_recording(finished):
    assert_samples_are_logged(finished[0])


def test_samples_are_written_beside_the_recording(finished):
    workdir, _ = finished
    (generated,) = (workdir / "samples" / "00000004").glob("*.wav")
    recording = workdir / "samples" / "recording" / generated.name
    assert generated.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    (one, rate), (other, _) = audio_files.read(generated), audio_files.read(recording)
    assert rate == RECIPE["sample_rate"]
    assert len(one) == len(other) == 160  # 0.04 s in whole frames of 16 samples


@pytest.mark.parametrize("weights", ["ema", "raw"])
def test_load_gives_the_model_back(finished, weights):
    workdir, _ = finished
    model, config, metadata = training.load(workdir, weights=weights)
    saved = newest_checkpoint(workdir)
    name = "ema/averages/0" if weights == "ema" else None
    if name:
        expected = saved[f"{name}/.ATTRIBUTES/VARIABLE_VALUE"]
        np.testing.assert_array_equal(model.trainable_variables[0], expected)
    else:
        values = [value for key, value in saved.items() if key.startswith("model/")]
        for variable in model.trainable_variables:
            assert any(np.array_equal(variable.numpy(), value) for value in values)
    assert metadata.step == 4
    assert metadata.speakers == ["high", "low"]
    assert model.recipe == metadata.recipe
    assert config.training.steps == 4
    audio = model.generate(
        np.zeros([2, RECIPE["n_mels"]], np.float32), speaker=1, jit_compile=False
    )
    assert audio.shape == (32,)


def test_averaged_and_raw_weights_differ(finished):
    workdir, _ = finished
    ema, raw = (training.load(workdir, weights=weights).model for weights in ("ema", "raw"))
    assert np.any(ema.trainable_variables[0].numpy() != raw.trainable_variables[0].numpy())


def test_a_run_in_two_halves_gives_the_same_bits(finished, make_config, tmp_path, caplog):
    workdir, history = finished
    config = make_config(steps=2)  # without samples, which are no part of the training
    first = training.run(config, tmp_path / "halves").history
    config["training"]["steps"] = 4
    second = training.run(config, tmp_path / "halves").history
    assert_same_checkpoint(tmp_path / "halves", workdir)
    assert first["loss"] + second["loss"] == history["loss"]
    assert first["val_loss"] + second["val_loss"] == history["val_loss"]
    assert training.run(config, tmp_path / "halves").history == {}  # nothing left to do
    assert "shorter than a crop" not in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_a_diffusion_model_trains_and_resumes_to_the_bit(precision, make_config, tmp_path):
    def run(name, steps, **options):
        config = make_config(steps=steps, precision=precision, **options)
        config["model"] = {
            "class_name": "DiffWave",
            "num_layers": 2,
            "dilation_cycle": 2,
            "residual_channels": 4,
            "step_channels": 8,
            "upsampler": config["model"]["upsampler"],
            "speaker_channels": 2,
        }
        return training.run(config, tmp_path / name).history

    whole = run("whole", 4, sample_epochs=2, sample_utterances=1)
    first, second = (run("halves", steps)["loss"] for steps in (2, 4))
    assert_same_checkpoint(tmp_path / "halves", tmp_path / "whole")
    assert first + second == whole["loss"]
    (generated,) = (tmp_path / "whole" / "samples" / "00000004").glob("*.wav")
    assert len(audio_files.read(generated)[0]) == 160
    assert_samples_are_logged(tmp_path / "whole")
    model, _, _ = training.load(tmp_path / "whole")
    mel = np.zeros([2, RECIPE["n_mels"]], np.float32)
    assert model.generate(mel, speaker=1, schedule=[1e-3, 0.1]).shape == (32,)


def test_global_settings_are_as_before(finished):
    assert not tf_config.is_op_determinism_enabled()
    assert keras.mixed_precision.global_policy().name == "float32"


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_trains_and_resumes(make_config, tmp_path, precision):
    config = make_config(precision=precision, steps=2, ema_decay=None, validation_batches=0)
    first = training.run(config, tmp_path / "run").history
    config["training"]["steps"] = 4
    second = training.run(config, tmp_path / "run").history
    assert len(first["loss"]) == len(second["loss"]) == 1
    assert math.isfinite(second["loss"][0])
    assert keras.mixed_precision.global_policy().name == "float32"
    names = newest_checkpoint(tmp_path / "run")
    assert any("loss_scale" in name for name in names) == (precision == "mixed_float16")
    model, _, metadata = training.load(tmp_path / "run")  # no average: the weights themselves
    assert metadata.step == 4
    assert model.compute_dtype == "float32"


@pytest.mark.slow
def test_an_unconditional_network_needs_no_mels(make_config, tmp_path):
    config = make_config(
        model={"upsampler": None, "speaker_channels": None},
        data={"with_mel": False},
        sample_epochs=1,
        sample_utterances=2,
        steps=2,
    )
    training.run(config, tmp_path / "run")
    assert len(list((tmp_path / "run" / "samples" / "00000002").glob("*.wav"))) == 2


class Poison(keras.callbacks.Callback):
    """Makes a weight NaN after some number of updates."""

    def __init__(self, updates):
        super().__init__()
        self.updates = updates

    def on_train_batch_end(self, batch, logs=None):
        if self.model.optimizer.iterations == self.updates:
            self.model.trainable_variables[0].assign(
                self.model.trainable_variables[0] * float("nan")
            )


@pytest.mark.parametrize(
    ("updates", "sentence", "step"),
    [
        (3, "The loss must be finite, and is not at step 3.", 3),
        # The last update of an epoch, which no loss tells about.
        (4, "The weights must be finite, and are not after step 3,", 3),
        (2, "The weights must be finite, and are not after step 1,", 1),
    ],
)
def test_what_is_not_finite_stops_the_run(updates, sentence, step, make_config, tmp_path):
    with pytest.raises(NonFiniteLossError) as caught:
        training.run(make_config(), tmp_path, extra_callbacks=[Poison(updates)])
    message, kept = str(caught.value), [2] if step > 2 else []
    batch = tmp_path / f"failed-batch-{step}.npz"
    assert sentence in message
    assert str(batch) in message
    assert ("the checkpoint of step 2 stays" if kept else "no checkpoint yet") in message
    assert np.load(batch)["audio"].shape == (2, 128)
    assert steps_in(tmp_path / "checkpoints") == kept
    if kept:
        assert all(np.isfinite(value).all() for value in newest_checkpoint(tmp_path).values())
    assert not tf_config.is_op_determinism_enabled()


def test_recordings_shorter_than_a_crop_are_warned_about(make_config, tmp_path, caplog):
    root = write_corpus(tmp_path / "corpus", files_per_speaker=3)
    for name in ("high/0", "low/1"):
        tone = np.sin(np.arange(640)).astype(np.float32)
        audio_files.write(root / f"{name}.wav", tone, RECIPE["sample_rate"])
    data = {"root": str(root), "validation": 0.0, "test": 0.0, "crop_frames": 41}
    training.run(
        make_config(data=data, steps=2, validation_batches=0, ema_decay=None), tmp_path / "run"
    )
    (line,) = [line for line in caplog.messages if "shorter" in line]
    assert line.startswith("2 of the 6 training utterances are shorter than a crop of 41 frames")


def test_a_full_disk_under_the_logs_is_one_sentence(make_config, tmp_path):
    config = make_config(steps=2, sample_epochs=1, sample_utterances=4)
    training.run(config, tmp_path)
    (events,) = (tmp_path / "logs").glob("events*")
    folder = tmp_path / "checkpoints" / "00000002"
    before = {path: path.read_bytes() for path in folder.iterdir()}
    config["training"]["steps"] = 4
    limit = events.stat().st_size - 100
    # A checkpoint is to fit: it is not its writing that fails.
    assert limit > 1.2 * max(map(len, before.values()))
    with file_size_limit(limit), pytest.raises(OSError) as caught:
        training.run(config, tmp_path)
    assert caught.value.filename == str(tmp_path)
    assert caught.value.strerror.startswith("training stopped, the checkpoints in it are untouched")
    assert "\n" not in caught.value.strerror
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    assert steps_in(tmp_path / "checkpoints") == [2, 4]


def test_of_an_error_in_a_graph_the_reason_is_told(make_config, tmp_path):
    stack = "Graph execution error:\n\nDetected at node 'x' defined at:\n  File 'a.py'\n\n"
    message = f"{stack}OOM when allocating tensor\n\t [[{{{{node x}}}}]] [Op:__inference_1]"

    def fail(batch, logs):
        raise tf.errors.ResourceExhaustedError(None, None, message)

    failing = keras.callbacks.LambdaCallback(on_train_batch_end=fail)
    with pytest.raises(OSError, match=r"untouched \(OOM when allocating tensor\)"):
        training.run(make_config(validation_batches=0), tmp_path, extra_callbacks=[failing])


def test_a_damaged_shard_keeps_its_sentence(make_config, tmp_path):
    config = make_config(steps=2, validation_batches=0, ema_decay=None)
    training.run(config, tmp_path)
    (shard,) = (tmp_path / "data").glob("train*.tfrecord")
    shard.write_bytes(bytes(byte ^ 0xFF for byte in shard.read_bytes()))
    config["training"]["steps"] = 4
    with pytest.raises(ValueError, match=r"^The shard '.*' is damaged: .* Received: record=\S+$"):
        training.run(config, tmp_path)


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [("training", "ema_decay", 0.5), ("model", "skip_channels", 6), ("data", "crop_frames", 3)],
)
def test_another_config_is_refused(finished, make_config, section, key, value):
    workdir, _ = finished
    config = make_config(sample_epochs=2, sample_utterances=1)
    config[section][key] = value
    before = (workdir / "config.json").read_bytes()
    with pytest.raises(ValueError, match=rf"another config.*Received: {section}\.{key}={value}"):
        training.run(config, workdir)
    assert (workdir / "config.json").read_bytes() == before


def test_fewer_steps_are_refused(finished, make_config):
    workdir, _ = finished
    config = make_config(sample_epochs=2, sample_utterances=1, steps=2)
    with pytest.raises(
        ValueError, match=r"Expected training\.steps=4\. Received: training\.steps=2"
    ):
        training.run(config, workdir)


def test_two_processes_cannot_train_in_one_folder(finished, make_config):
    workdir, _ = finished
    config = make_config(sample_epochs=2, sample_utterances=1)
    with Workdir(workdir).locked(), pytest.raises(ValueError, match="one process at a time"):
        training.run(config, workdir)


def test_a_truncated_checkpoint_is_named(finished, make_config, tmp_path):
    workdir, _ = finished
    config = make_config(sample_epochs=2, sample_utterances=1, steps=6)
    path = workdir / "checkpoints" / "00000004" / "state.data-00000-of-00001"
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    try:
        for use in (lambda: training.run(config, workdir), lambda: training.load(workdir)):
            with pytest.raises(
                ValueError, match="missing or cut short.*continue from step 2"
            ) as caught:
                use()
            assert str(path) in str(caught.value)
    finally:
        path.write_bytes(content)


def test_a_model_that_does_not_fit_is_refused_before_the_data_are_prepared(make_config, tmp_path):
    config = make_config()
    config["model"]["upsampler"]["config"]["scales"] = [4, 5]
    with pytest.raises(ValueError, match=r"recipe's hop of 16.*Received: scales=\(4, 5\)"):
        training.run(config, tmp_path / "run")
    assert not (tmp_path / "run" / "data").exists()
    assert not (tmp_path / "run" / "config.json").exists()


def test_a_missing_corpus_can_be_corrected(make_config, tmp_path):
    config = make_config(data={"root": str(tmp_path / "missing")})
    with pytest.raises((ValueError, OSError), match="missing"):
        training.run(config, tmp_path / "run")
    assert not (tmp_path / "run" / "config.json").exists()


def test_records_of_another_recipe_are_refused(finished, make_config, tmp_path):
    config = make_config(data={"records": str(finished[0] / "data")})
    config["recipe"]["fmin_hz"] = 50.0
    with pytest.raises(ValueError, match=r"'recipe' must be that of the prepared data.*fmin_hz=0"):
        training.run(config, tmp_path / "run")


def test_speaker_channels_need_several_speakers(make_config, tmp_path):
    root = write_corpus(tmp_path / "one", speakers=("alone",))
    config = make_config(data={"root": str(root)})
    with pytest.raises(ValueError, match="needs data of several speakers"):
        training.run(config, tmp_path / "run")


def test_too_few_speakers_are_refused(make_config, tmp_path):
    with pytest.raises(ValueError, match=r"model\.num_speakers' must be at least 2"):
        training.run(make_config(model={"num_speakers": 1}), tmp_path / "run")


@pytest.mark.slow
def test_without_held_out_recordings_training_goes_on(make_config, tmp_path):
    config = make_config(data={"validation": 0.0, "test": 0.0}, sample_epochs=1, steps=2)
    history = training.run(config, tmp_path / "run").history
    assert "val_loss" not in history
    assert not (tmp_path / "run" / "samples").exists()
