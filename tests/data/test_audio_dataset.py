"""Training straight from audio files: the same batches as from prepared data of these files."""

from __future__ import annotations

import dataclasses
import logging
import os

import numpy as np
import pytest
import soundfile
import tensorflow as tf

from tests.support import tiny_models
from tests.support.recordings import RECIPE, noise
from tfwavenet.audio import audio_files
from tfwavenet.data import audio_dataset
from tfwavenet.data.audio_dataset import audio_files_dataset
from tfwavenet.data.pipeline import Records
from tfwavenet.data.preparation import prepare

HOP = RECIPE.hop_samples
SIZES = {"batch_size": 4, "crop_frames": 5}
# Lengths in samples: shorter than a crop, a crop, between frames, several crops.
LENGTHS = (HOP, 3 * HOP + 1, 5 * HOP, 12 * HOP + 39, 31 * HOP)


def write(folder, *, speakers=("ann", "bob"), suffix="wav", lengths=LENGTHS, **options):
    """Writes noise of some lengths per speaker; returns the folder."""
    for number, speaker in enumerate(speakers):
        for samples in lengths:
            path = folder / speaker / f"{samples:05d}.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            audio = noise(samples, seed=1000 * number + samples)
            soundfile.write(path, audio, RECIPE.sample_rate, **options)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write(tmp_path_factory.mktemp("audio"))


def batches(folder, count, **options):
    dataset = audio_files_dataset(folder, **{"recipe": RECIPE, **SIZES, **options})
    return list(dataset.take(count).as_numpy_iterator())


def assert_close(first, second):
    for one, other in zip(first, second):
        assert set(one) == set(other)
        for name, value in one.items():
            assert value.dtype == other[name].dtype and value.shape == other[name].shape
            # Prepared audio is rounded to 16 bits.
            np.testing.assert_allclose(value, other[name], atol=1e-5 if name == "mel" else 2e-5)


# Every dataset is traced anew, which takes seconds: few rows, each with several switches.
@pytest.mark.parametrize(
    ("split", "changes"),
    [
        ("train", {}),
        ("validation", {"framing": "center", "peak": 0.5, "high_pass_hz": 70.0}),
        ("train", {"framing": "full", "hop_samples": 32}),
        (
            "train",
            {
                "framing": "exact",
                "pre_emphasis": 0.85,
                "signal_gain": 0.5,
                "feature_pre_emphasis": 0.97,
                "feature_peak": 0.9,
                "power": 2.0,
                "gain": 0.9,
            },
        ),
    ],
    ids=str,
)
def test_batches_are_those_of_prepared_data(tmp_path, folder, split, changes):
    recipe = dataclasses.replace(RECIPE, **changes)
    options = {"root": folder, "recipe": recipe, "num_workers": 0, "validation": 0.4, "test": 0.0}
    prepare("folder", output_dir=tmp_path, **options)
    crops = {**SIZES, "padding_frames": 2, "seed": 3}
    expected = Records(tmp_path).dataset(split, **crops).take(8).as_numpy_iterator()
    found = batches(folder, 8, recipe=recipe, split=split, validation_split=0.4, **crops)
    assert_close(found, expected)


def test_batches_without_mel_are_those_of_prepared_data(tmp_path, folder):
    recipe = dataclasses.replace(RECIPE, framing="center", normalization="standard")
    prepare(
        "folder",
        root=folder,
        output_dir=tmp_path,
        num_workers=0,
        validation=0.0,
        test=0.0,
        recipe=recipe,
        with_mel=False,
    )
    found = batches(folder, 6, recipe=recipe, with_mel=False)
    assert set(found[0]) == {"audio", "mask", "speaker"}
    assert_close(found, Records(tmp_path).dataset("train", **SIZES).take(6).as_numpy_iterator())


FORMATS = {
    "a.wav": {"subtype": "PCM_24"},
    "b.wav": {"subtype": "FLOAT"},
    "c.flac": {},
    "d.ogg": {},
    "e.mp3": {},
}


def test_formats_are_mixed_and_channels_averaged(tmp_path):
    expected = {}
    for number, (name, options) in enumerate(FORMATS.items()):
        stereo = noise(2 * HOP * (30 + 10 * number)).reshape(-1, 2)
        soundfile.write(tmp_path / name, stereo, RECIPE.sample_rate, **options)
        signal, mel = RECIPE.analyze(audio_files.read(tmp_path / name)[0])
        expected[len(signal)] = (signal, mel)
    # Every recording is shorter than a crop, so that an epoch has each of them once.
    (batch,) = batches(tmp_path, 1, batch_size=len(FORMATS), crop_frames=100)
    assert set(batch) == {"audio", "mask", "mel"}
    assert sorted(batch["mask"].sum(axis=1)) == sorted(expected)
    for audio, mask, found in zip(batch["audio"], batch["mask"], batch["mel"]):
        signal, mel = expected[mask.sum()]
        np.testing.assert_allclose(audio[mask], signal, atol=1e-5)
        repeated = np.pad(mel, [(0, len(found) - len(mel)), (0, 0)], mode="edge")
        np.testing.assert_allclose(found, repeated, atol=1e-4)


def test_a_dataset_may_be_entered_at_any_step(folder):
    whole = batches(folder, 12, seed=5)
    rest = batches(folder, 5, seed=5, start_step=7)
    for one, other in zip(whole[7:], rest):
        for name, value in one.items():
            np.testing.assert_array_equal(value, other[name])
    assert not np.array_equal(batches(folder, 1, seed=6)[0]["audio"], whole[0]["audio"])


@pytest.mark.parametrize("records", [False, True])
def test_datasets_are_marked_as_infinite(tmp_path, folder, records):
    if records:
        prepare("folder", root=folder, output_dir=tmp_path, recipe=RECIPE, num_workers=0)
        dataset = Records(tmp_path).dataset("train", **SIZES)
    else:
        dataset = audio_files_dataset(folder, recipe=RECIPE, **SIZES)
        assert dataset.speakers == ("ann", "bob")
    assert int(dataset.cardinality()) == tf.data.INFINITE_CARDINALITY
    model = tiny_models.tiny("Gaussian")
    model.compile("sgd")
    with pytest.raises(ValueError, match="steps_per_epoch|infinite"):
        model.fit(dataset, verbose=0)


def test_batches_are_dealt_to_replicas(folder):
    devices = [f"CPU:{index}" for index in range(len(tf.config.list_logical_devices("CPU")))]
    strategy = tf.distribute.MirroredStrategy(devices[:2])
    dataset = audio_files_dataset(folder, recipe=RECIPE, **SIZES)
    dealt = next(iter(strategy.experimental_distribute_dataset(dataset)))
    parts = strategy.experimental_local_results(dealt["audio"])
    whole = batches(folder, 1)[0]["audio"]
    np.testing.assert_array_equal(np.concatenate([part.numpy() for part in parts]), whole)


def test_unusable_files_are_left_out_with_one_warning(tmp_path, caplog):
    write(tmp_path, speakers=("ann",), lengths=(400,))
    whole = (tmp_path / "ann" / "00400.wav").read_bytes()
    (tmp_path / "ann" / "aa-short.wav").write_bytes(whole[:300])
    (tmp_path / "ann" / "empty.flac").touch()
    soundfile.write(tmp_path / "ann" / "cut.flac", noise(4000), RECIPE.sample_rate)
    os.truncate(tmp_path / "ann" / "cut.flac", 3000)
    (tmp_path / "ann" / "text.mp3").write_text("no audio")
    soundfile.write(tmp_path / "ann" / "brief.wav", noise(HOP - 1), RECIPE.sample_rate)
    soundfile.write(tmp_path / "ann" / "law.wav", noise(400), RECIPE.sample_rate, subtype="ULAW")
    (tmp_path / "ann" / "notes.txt").write_text("not counted")
    with caplog.at_level(logging.WARNING, logger="absl"):
        (batch,) = batches(tmp_path, 1, crop_frames=10)
    (warning,) = [one.getMessage() for one in caplog.records if "left out" in one.getMessage()]
    assert "6 audio files are left out" in warning
    assert "aa-short.wav" in warning and "truncated" in warning
    assert batch["mask"].all()


def test_silent_recordings_are_masked(tmp_path):
    audio_files.write(tmp_path / "silent.wav", np.full(400, 3e-4, np.float32), 8000)
    audio_files.write(tmp_path / "voice.wav", noise(400), 8000)
    recipe = dataclasses.replace(RECIPE, peak=0.9)
    (batch,) = batches(tmp_path, 1, recipe=recipe, batch_size=2, crop_frames=10)
    is_voice = batch["mask"].all(axis=1)
    assert sorted(is_voice) == [False, True]
    assert not batch["mask"][~is_voice].any() and not batch["audio"][~is_voice].any()
    assert all(np.isfinite(value).all() for value in batch.values())


@pytest.mark.parametrize("audio", [np.full(400, np.nan), 1000.0 * noise(400)])
def test_samples_that_are_no_audio_end_training(tmp_path, audio):
    soundfile.write(tmp_path / "bad.wav", audio, 8000, subtype="FLOAT")
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"(?s)full scale is 1.*bad\.wav"):
        audio_dataset._read(tf.constant(str(tmp_path / "bad.wav")))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"recipe": "r9y9"}, "does not trim silence; use `prepare`.*trim_top_db=60.0"),
        (
            {"recipe": dataclasses.replace(RECIPE, normalization="standard")},
            "does not fit statistics; use `prepare`.*mean=None",
        ),
        ({"recipe": "text"}, "Received: a text recipe"),
        ({"recipe": "speech_16k"}, "does not resample.*use `prepare`.*6 other files.*of 8000 Hz"),
        ({"split": "test"}, "split must be one of .*Received: split='test'"),
        ({"split": "validation"}, "0 of the folder's 10 audio files.*split='validation'"),
        ({"validation_split": 1.0}, "sum is below 1"),
        ({"batch_size": 0}, "Received: batch_size=0"),
        ({"crop_frames": 0}, "Received: crop_frames=0"),
        ({"padding_frames": -1}, "Received: padding_frames=-1"),
        ({"start_step": -1}, "Received: start_step=-1"),
        ({"seed": 0.5}, "Received: seed=0.5"),
    ],
)
def test_wrong_arguments_are_named(folder, options, message):
    with pytest.raises(ValueError, match=message):
        audio_files_dataset(folder, **{"recipe": RECIPE, **SIZES, **options})


def test_a_folder_without_audio_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="expected to have audio files"):
        audio_files_dataset(tmp_path, recipe=RECIPE, **SIZES)
