"""Features that come in files are aligned with their recordings, or refused by name."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

import tfwavenet
from tests.support.recordings import RECIPE, write_corpus
from tfwavenet.data import given_features
from tfwavenet.data.pipeline import Records
from tfwavenet.data.preparation import prepare
from tfwavenet.data.splits import Utterance

HOP = RECIPE.hop_samples
GIVEN = dataclasses.replace(RECIPE, features="given", n_mels=3, normalization="none")
FRAMES = 12  # of recordings of 480 to 485 samples


def _features(frames=FRAMES, width=3, seed=0):
    return np.random.default_rng(seed).normal(size=(frames, width)).astype(np.float32)


@pytest.fixture
def corpus(tmp_path):
    return write_corpus(tmp_path / "corpus", each=3, samples=479)


@pytest.fixture
def folder(tmp_path):
    """A folder with features for every recording, distinct by their first value."""
    for number, speaker in enumerate(("ann", "bob")):
        for index in range(3):
            path = tmp_path / "features" / speaker / f"{index:02d}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, _features(seed=10 * number + index))
    return tmp_path / "features"


def _prepare(corpus, folder, output, recipe=GIVEN, **arguments):
    settings = {"validation": 0.0, "test": 0.0, "num_workers": 0, **arguments}
    prepare("folder", root=corpus, output_dir=output, recipe=recipe, features=folder, **settings)
    records = Records(output)
    return {
        one.name: one
        for one in (records.utterance("train", i) for i in range(records.count("train")))
    }


def _skipped(output):
    return [item["reason"] for item in json.loads((output / "skipped.json").read_text())]


class TestAlignment:
    @pytest.mark.parametrize("difference", [-2, -1, 0, 1, 2])
    def test_up_to_two_frames_are_repeated_or_cut(self, difference):
        features = _features(FRAMES + difference)
        audio = np.random.default_rng(0).uniform(-0.5, 0.5, FRAMES * HOP).astype(np.float32)
        signal, aligned = GIVEN.analyze_with(audio, features)
        np.testing.assert_array_equal(signal, audio)
        kept = min(FRAMES, FRAMES + difference)
        np.testing.assert_array_equal(aligned[:kept], features[:kept])
        assert (aligned[kept:] == features[-1]).all() and len(aligned) == FRAMES

    @pytest.mark.parametrize("frames", [0, FRAMES - 3, FRAMES + 3])
    def test_more_is_refused(self, frames):
        with pytest.raises(ValueError, match=f"have {FRAMES} frames.*Received: frames={frames}"):
            GIVEN.analyze_with(np.ones(FRAMES * HOP, np.float32), _features(frames))

    def test_the_signal_is_that_of_computed_features(self):
        audio = np.random.default_rng(0).uniform(-0.5, 0.5, 1000).astype(np.float32)
        for framing in ("center", "exact", "same", "whole", "full"):
            changes = {"n_fft": 160, "win_samples": 160, "framing": framing}
            computed = dataclasses.replace(RECIPE, **changes)
            signal, mel = computed.analyze(audio)
            found, _ = dataclasses.replace(GIVEN, **changes).analyze_with(audio, mel[:, :3])
            np.testing.assert_array_equal(found, signal)


class TestPrepare:
    def test_each_recording_has_its_own_features(self, corpus, folder, tmp_path):
        found = _prepare(corpus, folder, tmp_path / "data")
        for number, speaker in enumerate(("ann", "bob")):
            for index in range(3):
                expected = _features(seed=10 * number + index)
                mel = found[f"{speaker}/{index:02d}"].mel
                np.testing.assert_array_equal(mel[: len(expected)], expected[: len(mel)])

    def test_long_recordings_are_cut_with_their_features(self, corpus, folder, tmp_path):
        found = _prepare(corpus, folder, tmp_path / "data", max_seconds=5 * HOP / 8000)
        parts = [found[f"ann/00-{number:03d}"].mel for number in range(3)]
        np.testing.assert_array_equal(np.concatenate(parts), _features())

    def test_statistics_are_fitted_on_given_features(self, corpus, folder, tmp_path):
        recipe = dataclasses.replace(GIVEN, normalization="standard")
        found = _prepare(corpus, folder, tmp_path / "data", recipe)
        raw = np.concatenate([np.load(path) for path in folder.glob("*/*.npy")]).astype(float)
        fitted = Records(tmp_path / "data").recipe
        np.testing.assert_allclose(fitted.mean, raw.mean(axis=0), rtol=1e-6)
        np.testing.assert_allclose(fitted.std, raw.std(axis=0), rtol=1e-6)
        expected = (_features() - raw.mean(axis=0)) / raw.std(axis=0)
        np.testing.assert_allclose(found["ann/00"].mel, expected, atol=1e-5)

    def test_predicted_mels_are_taken_as_they_are(self, corpus, tmp_path):
        for speaker in ("ann", "bob"):
            (tmp_path / "features" / speaker).mkdir(parents=True)
            for index in range(3):
                predicted = np.full((FRAMES, RECIPE.n_mels), 0.25 + index, np.float32)
                np.savez(tmp_path / f"features/{speaker}/{index:02d}.npz", mel=predicted)
        found = _prepare(corpus, tmp_path / "features", tmp_path / "data", RECIPE)
        assert {name: one.mel.max() for name, one in found.items() if name[:3] == "bob"} == {
            "bob/00": 0.25,
            "bob/01": 1.25,
            "bob/02": 2.25,
        }

    def test_transposed_files(self, corpus, folder, tmp_path):
        for path in folder.glob("*/*.npy"):
            np.save(path, np.load(path).T)
        with pytest.raises(ValueError, match="which looks transposed"):
            _prepare(corpus, folder, tmp_path / "refused")
        found = _prepare(corpus, folder, tmp_path / "data", features_transposed=True)
        np.testing.assert_array_equal(found["ann/00"].mel, _features())

    def test_what_does_not_fit_is_skipped_by_name(self, corpus, folder, tmp_path):
        np.save(folder / "ann" / "00.npy", _features(FRAMES + 9))
        np.save(folder / "ann" / "01.npy", _features(width=4))
        (folder / "bob" / "00.npy").unlink()
        np.save(folder / "bob" / "01.npy", np.full((FRAMES, 3), np.nan, np.float32))
        assert sorted(_prepare(corpus, folder, tmp_path / "data")) == ["ann/02", "bob/02"]
        reasons = _skipped(tmp_path / "data")
        for name, sentence in {
            "ann/00.npy": "Received: frames=21",
            "ann/01.npy": r"shape=(12, 4)",
            "bob/00": "no features are given",
            "bob/01.npy": "NaN or infinity in frame 0",
        }.items():
            assert any(name in reason and sentence in reason for reason in reasons)

    def test_other_features_are_other_data(self, corpus, folder, tmp_path):
        _prepare(corpus, folder, tmp_path / "data")
        with pytest.raises(ValueError, match="prepared with other settings"):
            _prepare(corpus, folder, tmp_path / "data", features_transposed=True)

    @pytest.mark.parametrize(
        ("recipe", "message"),
        [
            (dataclasses.replace(GIVEN, trim_top_db=40.0), "does not trim"),
            (dataclasses.replace(RECIPE, normalization="standard"), "must have its statistics"),
        ],
    )
    def test_recipes_that_cannot_have_given_features(
        self, corpus, folder, tmp_path, recipe, message
    ):
        with pytest.raises(ValueError, match=message):
            _prepare(corpus, folder, tmp_path / "data", recipe)

    def test_features_that_must_be_given(self, corpus, tmp_path):
        with pytest.raises(ValueError, match="needs the folder of their files"):
            _prepare(corpus, None, tmp_path / "data")

    def test_a_folder_of_other_names(self, corpus, tmp_path):
        (tmp_path / "features").mkdir()
        np.save(tmp_path / "features" / "x.npy", _features())
        with pytest.raises(ValueError, match=r"such as 'ann/00.npy', found 1 entries \(x.npy\)"):
            _prepare(corpus, tmp_path / "features", tmp_path / "data")


def test_a_name_without_its_folder_must_be_unique(tmp_path):
    for name in ("1.npy", "2.npy", "ann/1.npy"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        np.save(tmp_path / name, _features())
    names = ("ann/1", "bob/1", "bob/2")
    found = given_features.with_features((Utterance("", name, "") for name in names), tmp_path)
    assert [item.features for item in found] == [
        str(tmp_path / "ann/1.npy"),
        None,
        str(tmp_path / "2.npy"),
    ]


def test_a_model_of_given_features_trains_and_generates(corpus, folder, tmp_path):
    _prepare(corpus, folder, tmp_path / "data")
    records = Records(tmp_path / "data")
    model = tfwavenet.WaveNet(
        num_layers=2,
        residual_channels=4,
        gate_channels=8,
        skip_channels=4,
        upsampler=tfwavenet.StretchUpsampler(scales=(5, 8)),
        recipe=records.recipe,
    )
    model.compile("adam")
    batches = records.dataset("train", batch_size=2, crop_frames=4)
    model.fit(batches, steps_per_epoch=2, verbose=0)
    assert model.generate(_features(5)).shape == (5 * HOP,)
    with pytest.raises(ValueError, match="given in files and cannot be computed"):
        model.recipe.mel(np.zeros(1000, np.float32))
    model.save(tmp_path / "model.keras")
    assert tfwavenet.load_model(tmp_path / "model.keras").recipe == records.recipe
