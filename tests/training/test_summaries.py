"""`tfwavenet.training.summaries` and `pictures` with a model that generates known audio."""

from __future__ import annotations

import os
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfwavenet.audio import audio_files, recipes
from tfwavenet.evaluation.copy_synthesis import generate_again
from tfwavenet.training import mel_figure, summaries
from tfwavenet.training.ema import ExponentialMovingAverage

RECIPE = recipes.get("speech_8k")
HOP = RECIPE.hop_samples


def example(name="a/b 1", frames=10, speaker=3, with_mel=True):
    generator = np.random.default_rng(frames)
    signal = generator.uniform(-0.3, 0.3, frames * HOP).astype(np.float32)
    mel = generator.uniform(size=(frames, RECIPE.n_mels)).astype(np.float32) if with_mel else None
    return summaries.Example(name, signal, mel, speaker)


class Parrot:
    """Has the parts of `WaveNet` that the summaries use; remembers what it was asked."""

    def __init__(self, upsampler="yes", speaker_channels=4):
        self.upsampler, self.speaker_channels = upsampler, speaker_channels
        self.calls = []

    def generate(self, mel=None, *, samples=None, **options):
        self.calls.append({"mel": mel, "samples": samples, **options})
        if mel is None:
            return np.zeros((len(options["seed"]), samples), np.float32)
        return [np.full(len(one) * HOP, 0.25, np.float32) for one in mel]


@pytest.mark.parametrize(("samples", "frames"), [(1, 1), (HOP, 1), (2 * HOP + 5, 2), (10**6, 10)])
def test_shortened_keeps_whole_frames(samples, frames):
    short = example().shortened(samples, HOP)
    assert len(short.mel) == frames
    assert len(short.signal) == frames * HOP
    assert example(with_mel=False).shortened(samples, HOP).mel is None


@pytest.mark.parametrize("speaker_channels", [4, None])
def test_generates_from_the_mels(speaker_channels):
    model = Parrot(speaker_channels=speaker_channels)
    audio = generate_again(model, [example(frames=3), example(frames=5, speaker=1)], seed=7)
    assert [len(one) for one in audio] == [3 * HOP, 5 * HOP]
    (call,) = model.calls
    assert call["seed"] == [7, 8]
    if speaker_channels:
        np.testing.assert_array_equal(call["speaker"], [3, 1])
    else:
        assert "speaker" not in call


def test_generates_without_mels():
    model = Parrot(upsampler=None)
    audio = generate_again(model, [example(frames=3), example(frames=5)], seed=0)
    assert [len(one) for one in audio] == [3 * HOP, 5 * HOP]
    assert model.calls[0]["samples"] == 5 * HOP
    assert model.calls[0]["mel"] is None


def keras_parrot():
    """A Keras model that generates its own weight."""
    model = keras.Sequential([keras.Input([1]), keras.layers.Dense(1, use_bias=False)])
    model.upsampler, model.speaker_channels = "yes", None

    def generate(mel, **options):
        value = float(model.trainable_variables[0][0, 0])
        return [np.full(len(one) * HOP, value, np.float32) for one in mel]

    model.generate = generate
    return model


def test_samples_use_the_average_every_so_many_epochs(tmp_path):
    model = keras_parrot()
    model.trainable_variables[0].assign([[0.5]])
    ema = ExponentialMovingAverage(model, decay=0.9)
    model.trainable_variables[0].assign([[-0.5]])
    callback = summaries.SampleSummaries(
        [example()],
        recipe=RECIPE,
        writer=tf.summary.create_file_writer(str(tmp_path / "logs")),
        samples=tmp_path / "samples",
        every_epochs=2,
        steps_per_epoch=5,
        ema=ema,
    )
    callback.set_model(model)
    for epoch in range(3):
        callback.on_epoch_end(epoch)
    written = sorted(
        str(p.relative_to(tmp_path / "samples"))
        for p in tmp_path.rglob("*.*")
        if p.is_file() and "logs" not in str(p)
    )
    assert written == ["00000010/a_b_1.png", "00000010/a_b_1.wav", "recording/a_b_1.wav"]
    audio, rate = audio_files.read(tmp_path / "samples" / "00000010" / "a_b_1.wav")
    assert rate == RECIPE.sample_rate
    np.testing.assert_allclose(audio, 0.5, atol=1e-4)
    assert float(model.trainable_variables[0][0, 0]) == -0.5
    recording, _ = audio_files.read(tmp_path / "samples" / "recording" / "a_b_1.wav")
    expected = np.clip(RECIPE.to_audio(example().signal)[0], -1, 1)
    np.testing.assert_allclose(recording, expected, atol=1e-4)


def test_a_picture_shows_all_mels_on_one_scale():
    mels = {"one": np.zeros((7, 4)), "two": np.ones((5, 4))}
    figure = mel_figure.mel_figure(mels, frame_seconds=0.01)
    images = [axes.get_images()[0] for axes in figure.axes[:2]]
    for image, mel in zip(images, mels.values()):
        np.testing.assert_array_equal(image.get_array(), mel.T)
        assert image.get_clim() == (0.0, 1.0)
        assert image.get_extent()[1] == pytest.approx(len(mel) * 0.01)
    picture = tf.image.decode_png(mel_figure.to_png(figure))
    assert picture.shape[1] == 720
    assert np.std(picture) > 10


def test_pictures_leave_the_global_state_of_matplotlib_alone():
    if "matplotlib.pyplot" in sys.modules:
        assert sys.modules["matplotlib.pyplot"].get_fignums() == []


@pytest.mark.parametrize(
    "name", ["録音資料集" * 8 + "/" + "第一巻" * 14, os.fsdecode(b"Andr\xe9/1")]
)
def test_any_name_of_a_recording_can_be_written(name, tmp_path):
    writer = tf.summary.create_file_writer(str(tmp_path / "logs"))
    examples = [example(name, frames=10), example("plain", frames=10)]
    callback = summaries.SampleSummaries(
        examples,
        recipe=RECIPE,
        writer=writer,
        samples=tmp_path / "samples",
        every_epochs=1,
        steps_per_epoch=1,
    )
    callback.set_model(Parrot())
    callback.on_epoch_end(0)
    assert len(list((tmp_path / "samples" / "00000001").glob("*.wav"))) == 2
