"""What `fit` and `compile` are given beside the batch: weights count, other losses are refused."""

from __future__ import annotations

import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.support import tiny_models
from tests.support.clips import diffusion_network, network, student_network
from tfwavenet.layers import StretchUpsampler
from tfwavenet.models import WaveNet


def student():
    model = student_network()
    model.set_teacher(network("Gaussian"))
    return model


MAKERS = {"WaveNet": network, "DiffWave": diffusion_network, "ParallelWaveNet": student}


def rows(count, frames=6):
    """Batches of different rows, as `Records.dataset` makes them without padding frames."""
    generator = np.random.default_rng(0)
    audio = generator.uniform(-0.5, 0.5, (count, 80 * frames)).astype(np.float32)
    mel = generator.uniform(0, 1, (count, frames, 40)).astype(np.float32)
    return {"audio": audio, "mel": mel}


def moved(make, batch, weights=None, **options):
    """How each weight changes by one update of a fresh model."""
    keras.utils.set_random_seed(1)
    model = make()
    model.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    before = [one.numpy() for one in model.trainable_weights]
    count = len(batch["audio"])
    parts = (batch, tf.zeros([count], tf.int64))
    parts += () if weights is None else (tf.constant(weights, tf.float32),)
    history = model.fit(tf.data.Dataset.from_tensors(parts), verbose=0, **options).history
    after = [one.numpy() for one in model.trainable_weights]
    return history["loss"][0], [new - old for new, old in zip(after, before)]


@pytest.mark.parametrize("name", MAKERS)
def test_rows_of_weight_zero_are_not_learned_from(name):
    loss, changes = moved(MAKERS[name], rows(2), [0.0, 0.0])
    assert loss == 0.0
    assert max(np.abs(change).max() for change in changes) == 0.0


def test_a_weight_is_a_factor_of_the_loss_of_its_row():
    """Keras divides by the number of rows: weights (2, 0) leave the mean of the first row alone."""
    both = rows(2)
    first = {name: value[:1] for name, value in both.items()}
    loss, changes = moved(network, both, [2.0, 0.0])
    expected_loss, expected = moved(network, first)
    assert loss == pytest.approx(expected_loss, rel=1e-5)
    for ours, theirs in zip(changes, expected):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_weights_of_classes_become_weights_of_rows():
    loss, changes = moved(network, rows(2), class_weight={0: 0.0})
    assert loss == 0.0
    assert max(np.abs(change).max() for change in changes) == 0.0


def test_evaluate_weighs_rows_too():
    model = network()
    model.compile("sgd")
    batch = rows(2)
    plain = model.evaluate(tf.data.Dataset.from_tensors(batch), verbose=0, return_dict=True)
    halved = tf.data.Dataset.from_tensors((batch, tf.zeros([2]), tf.fill([2], 0.5)))
    weighted = model.evaluate(halved, verbose=0, return_dict=True)
    assert weighted["loss"] == pytest.approx(plain["loss"] / 2, rel=1e-5)


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize(
    "given",
    [{"loss": "mse"}, {"metrics": ["mae"]}, {"loss_weights": [1]}, {"weighted_metrics": ["mae"]}],
)
def test_another_loss_is_refused(name, given):
    (argument,) = given
    with pytest.raises(ValueError, match=f"brings its own loss.* Received: {argument}="):
        MAKERS[name]().compile("sgd", **given)


def test_a_saved_model_is_compiled_as_it_was(tmp_path):
    model = network()
    model.compile(keras.optimizers.Adam(0.02, global_clipnorm=1.0))
    model.fit(rows(2), verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.optimizer.get_config() == model.optimizer.get_config()
    for ours, theirs in zip(again.optimizer.variables, model.optimizer.variables):
        np.testing.assert_array_equal(ours, theirs)


def test_a_loss_that_earlier_versions_stored_and_ignored_does_no_harm():
    model = network()
    model.compile_from_config({"optimizer": "sgd", "loss": "mse", "metrics": ["mae"]})
    assert isinstance(model.optimizer, keras.optimizers.SGD)


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda audio: (audio * 32767).astype(np.int16), r"full scale is 1.* Received: int16"),
        (lambda audio: audio[..., np.newaxis], r"\[batch, samples\].* Received: float32 of shape"),
    ],
)
def test_audio_of_another_kind_is_one_sentence(name, change, message):
    model = MAKERS[name]()
    model.compile("sgd", run_eagerly=True)
    batch = rows(2)
    with pytest.raises(ValueError, match=message):
        model.fit(
            tf.data.Dataset.from_tensors({**batch, "audio": change(batch["audio"])}), verbose=0
        )


@pytest.mark.parametrize("run_eagerly", [True, False])
def test_audio_of_another_scale_is_not_learned_from(run_eagerly):
    model = network()
    model.compile("sgd", run_eagerly=run_eagerly)
    before = [weight.numpy() for weight in model.trainable_weights]
    batch = {**rows(2), "audio": 32767 * rows(2)["audio"]}
    with pytest.raises(tf.errors.InvalidArgumentError, match="full scale is 1. Received: a sample"):
        model.fit(tf.data.Dataset.from_tensors(batch), verbose=0)
    for old, new in zip(before, model.trainable_weights):
        np.testing.assert_array_equal(old, new.numpy())


@pytest.mark.parametrize("code", [-1, 256])
def test_codes_are_taken_in_their_range(code):
    model = network()
    model.compile("sgd", run_eagerly=True)
    codes = model.codec.encode(tf.constant(rows(2)["audio"])).numpy()
    plain = model.evaluate({**rows(2)}, verbose=0)
    assert model.evaluate({**rows(2), "audio": codes}, verbose=0) == pytest.approx(plain)
    codes[0, 5] = code
    message = "codes from 0 to 255. Received: codes between"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        model.evaluate({**rows(2), "audio": codes}, verbose=0)


def test_audio_in_float64_is_taken():
    batch = rows(2)
    loss, _ = moved(network, {**batch, "audio": batch["audio"].astype(np.float64)})
    assert loss == pytest.approx(moved(network, batch)[0], rel=1e-6)


@pytest.mark.parametrize("batch", [np.zeros([2, 480], np.float32), {"mel": np.zeros([2, 6, 40])}])
def test_a_batch_is_a_dictionary_with_audio(batch):
    model = network()
    model.compile("sgd", run_eagerly=True)
    with pytest.raises(ValueError, match=r'A batch of this model is a dictionary with "audio"'):
        model.fit(tf.data.Dataset.from_tensors(batch), verbose=0)


@pytest.mark.parametrize("name", MAKERS)
def test_frozen_layers_stay_frozen_in_a_file(name, tmp_path):
    model = MAKERS[name]()
    model.layers[1].trainable = False
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert [layer.trainable for layer in again.layers] == [
        layer.trainable for layer in model.layers
    ]
    assert len(again.trainable_weights) == len(model.trainable_weights)


def test_a_batch_without_what_the_model_needs_is_told_all_of_it():
    model = WaveNet(
        num_layers=2,
        num_speakers=3,
        speaker_channels=2,
        upsampler=StretchUpsampler((2, 4), padding_frames=1),
        local_channels=5,
    )
    model.compile("adam", run_eagerly=True)
    sentence = (
        r'"audio" \[batch, samples\], "mel" \[batch, samples / 8 \+ 2, 5\], "speaker" \[batch\]\. '
        r"Received: \['audio'\]"
    )
    with pytest.raises(ValueError, match=sentence):
        model.train_on_batch({"audio": np.zeros((2, 16), np.float32)})


def test_a_model_describes_itself_in_one_line():
    model = tiny_models.tiny("Gaussian")
    assert re.fullmatch(
        r"<WaveNet '\w+': .*Gaussian.*, receptive field of \d+ samples, 0\.\d\d million weights>",
        repr(model),
    )


def test_layers_have_names_that_say_what_they_are():
    lines = []
    tiny_models.tiny("Gaussian").summary(print_fn=lines.append)
    text = "\n".join(map(str, lines))
    assert "weight_normalization" not in text
    assert all(name in text for name in ("input_conv", "block_0", "head", "output"))
