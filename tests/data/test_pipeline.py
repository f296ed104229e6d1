"""Batches hold what the records hold, and depend on seed and step only."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest
import tensorflow as tf

from tests.support.recordings import RECIPE, noise
from tfwavenet.audio import audio_files
from tfwavenet.data import sampling
from tfwavenet.data.pipeline import Records
from tfwavenet.data.preparation import prepare
from tfwavenet.data.splits import SPLITS

HOP = RECIPE.hop_samples
FRAMES = (1, 4, 5, 6, 11, 23)  # below, at and above a crop of 5, and several crops
CROP = 5


def _prepare(folder, *, speakers=("ann", "bob"), **options):
    for number, speaker in enumerate(speakers):
        for frames in FRAMES:
            path = folder / "corpus" / speaker / f"{frames:02d}.wav"
            audio_files.write(path, noise(HOP * frames, seed=100 * number + frames), 8000)
    options = {"validation": 0.0, "test": 0.0, "recipe": RECIPE, "num_workers": 0, **options}
    prepare("folder", root=folder / "corpus", output_dir=folder / "data", **options)
    return Records(folder / "data")


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return _prepare(tmp_path_factory.mktemp("two"))


def _batches(records, count, **options):
    options = {"batch_size": 3, "crop_frames": CROP, "seed": 7, **options}
    return list(records.dataset("train", **options).take(count).as_numpy_iterator())


def _assert_equal(first, second):
    assert set(first) == set(second)
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name])


def _find(crop, signal):
    """The frame at which a crop begins in a signal, None if it is not there."""
    starts = range(0, len(signal) - len(crop) + 1, HOP)
    found = [start for start in starts if np.array_equal(signal[start : start + len(crop)], crop)]
    return found[0] // HOP if found else None


def test_utterances_are_whole_and_each_comes_once(records):
    found = list(records.utterances("train"))
    assert [item.name for item in found] == [f"{s}/{f:02d}" for s in ("ann", "bob") for f in FRAMES]
    for item, frames in zip(found, itertools.cycle(FRAMES)):
        path = records.metadata["settings"]["root"] + f"/{item.name}.wav"
        signal, mel = RECIPE.analyze(audio_files.read(path)[0])
        assert item.signal.shape == (frames * HOP,) and item.mel.shape == (frames, RECIPE.n_mels)
        np.testing.assert_allclose(item.signal, signal, atol=2.0**-16)
        np.testing.assert_array_equal(item.mel, mel)
        assert records.speakers[item.speaker] == item.name[:3]


def test_records_describe_themselves_in_one_line(records):
    counts = ", ".join(f"{records.count(split)} {split}" for split in SPLITS)
    assert f": {counts} records, 2 speakers, 8000 Hz>" in repr(records)


def test_attributes(records):
    assert records.recipe == RECIPE
    assert records.speakers == ("ann", "bob")
    assert records.n_mels == RECIPE.n_mels
    assert records.count("train") == 2 * len(FRAMES)
    assert records.count("test") == 0
    assert records.speaker_number("bob") == 1


@pytest.mark.parametrize("padding", [0, 2])
def test_batch_has_the_documented_form(records, padding):
    dataset = records.dataset("train", batch_size=3, crop_frames=CROP, padding_frames=padding)
    expected = {
        "audio": tf.TensorSpec([3, CROP * HOP], tf.float32),
        "mask": tf.TensorSpec([3, CROP * HOP], tf.bool),
        "mel": tf.TensorSpec([3, CROP + 2 * padding, RECIPE.n_mels], tf.float32),
        "speaker": tf.TensorSpec([3], tf.int32),
    }
    assert dataset.element_spec == expected
    for batch in dataset.take(2):
        assert {name: tf.TensorSpec.from_tensor(value) for name, value in batch.items()} == expected


@pytest.mark.parametrize("padding", [0, 1, 4])
def test_crops_are_aligned_stretches_with_real_context(records, padding):
    utterances = list(records.utterances("train"))
    for batch in _batches(records, 8, padding_frames=padding):
        for audio, mask, mel, speaker in zip(
            *(batch[k] for k in ("audio", "mask", "mel", "speaker"))
        ):
            length = int(mask.sum())
            assert mask[:length].all() and not audio[length:].any()
            hits = [(item, _find(audio[:length], item.signal)) for item in utterances]
            ((item, start),) = [(item, start) for item, start in hits if start is not None]
            assert speaker == item.speaker
            assert length == HOP * min(CROP, len(item.mel))
            wanted = np.arange(start - padding, start + CROP + padding)
            np.testing.assert_array_equal(mel, item.mel[np.clip(wanted, 0, len(item.mel) - 1)])


@pytest.mark.parametrize("start", [1, 5, 6, 40])  # an epoch is 22 windows, 7.3 batches
def test_a_dataset_started_later_gives_the_same_steps(records, start):
    whole = _batches(records, start + 3, padding_frames=1)
    resumed = _batches(records, 3, padding_frames=1, start_step=start)
    for expected, found in zip(whole[start:], resumed):
        _assert_equal(expected, found)


def test_a_late_step_is_reached_at_once(records):
    assert len(_batches(records, 1, start_step=10**12)) == 1


def test_seeds_differ_and_repeat(records):
    first, again, other = (
        np.stack([b["audio"] for b in _batches(records, 4, seed=s)]) for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("batch_size", [1, 4])
def test_crops_do_not_depend_on_the_batch_size(records, batch_size):
    expected = np.concatenate([b["audio"] for b in _batches(records, 8)])
    found = [b["audio"] for b in _batches(records, 24 // batch_size, batch_size=batch_size)]
    np.testing.assert_array_equal(np.concatenate(found), expected)


@pytest.mark.parametrize(("hosts", "replicas"), [(2, 1), (1, 3), (3, 2)])
@pytest.mark.parametrize("start_step", [0, 5])
def test_hosts_and_replicas_have_the_rows_of_the_batch_in_order(
    records, hosts, replicas, start_step
):
    sizes = {"batch_size": 6, "crop_frames": 10, "padding_frames": 1}

    def shared(make):
        shares = [sampling.Share(host, hosts, replicas) for host in range(hosts)]
        batched = [make(share).batch(replicas) for share in shares]
        for parts in zip(*(dataset.take(2).as_numpy_iterator() for dataset in batched)):
            yield {
                name: np.concatenate([part for host in parts for part in host[name]])
                for name in parts[0]
            }

    def random(share):
        return records.dataset("train", **sizes, seed=3, start_step=start_step, share=share)

    def all_of_it(share):
        return records.evaluation_batches("train", **sizes, share=share)

    for make in (random, all_of_it):
        steps = list(zip(shared(make), make(sampling.WHOLE).as_numpy_iterator()))
        assert len(steps) == 2
        for found, expected in steps:
            assert found.keys() == expected.keys()
            for name, value in expected.items():
                np.testing.assert_array_equal(found[name], value)


def test_a_batch_that_cannot_be_shared_is_an_error(records):
    with pytest.raises(ValueError, match="a multiple of the 4 replicas. Received: batch_size=6"):
        records.dataset("train", batch_size=6, crop_frames=10, share=sampling.Share(0, 2, 2))


def test_every_epoch_visits_every_window_once_in_another_order(records):
    windows = {frames: math.ceil(frames / CROP) for frames in FRAMES}
    total = 2 * sum(windows.values())
    assert records.windows("train", crop_frames=CROP) == total
    utterances = list(records.utterances("train"))
    orders = []
    for epoch in range(3):
        visited = []
        for batch in _batches(records, total, batch_size=1, start_step=epoch * total):
            crop = batch["audio"][0][batch["mask"][0]]
            visited += [i.name for i in utterances if _find(crop, i.signal) is not None]
        orders.append(visited)
        expected = [i.name for i in utterances for _ in range(windows[len(i.mel)])]
        assert sorted(visited) == sorted(expected)
    assert orders[0] != orders[1] != orders[2]


def test_all_frames_are_seen_about_equally_often(tmp_path):
    frames, crop, draws = 40, 8, 4000
    signal = np.repeat(np.arange(1, frames + 1) / 64.0, HOP).astype(np.float32)
    audio_files.write(tmp_path / "corpus" / "a.wav", signal, 8000)
    options = {"validation": 0, "test": 0, "recipe": RECIPE, "num_workers": 0}
    prepare("folder", root=tmp_path / "corpus", output_dir=tmp_path / "data", **options)
    dataset = Records(tmp_path / "data").dataset("train", batch_size=draws, crop_frames=crop)
    (batch,) = dataset.take(1).as_numpy_iterator()
    starts = np.rint(batch["audio"][:, 0] * 64).astype(int) - 1
    seen = np.zeros(frames)
    for start in starts:
        seen[start : start + crop] += 1
    # Closed form: a middle m, uniform over the frames, starts the crop at clip(m - 4, 0, 32).
    expected = np.zeros(frames)
    for middle in range(frames):
        first = min(max(middle - crop // 2, 0), frames - crop)
        expected[first : first + crop] += draws / frames
    np.testing.assert_allclose(seen, expected, atol=5 * np.sqrt(draws * crop / frames))
    share = seen / (draws * crop / frames)
    assert 0.4 < share.min() and share.max() < 1.6
    assert np.abs(share[2 * crop : -2 * crop] - 1).max() < 0.1


class TestEvaluationBatches:
    @pytest.mark.parametrize(("batch_size", "crop"), [(1, 5), (4, 5), (5, 3), (100, 7), (3, 30)])
    def test_every_sample_comes_exactly_once(self, records, batch_size, crop):
        dataset = records.evaluation_batches(
            "train", batch_size=batch_size, crop_frames=crop, padding_frames=2
        )
        batches = list(dataset.as_numpy_iterator())
        assert len(dataset) == len(batches)
        assert {batch["audio"].shape for batch in batches} == {(batch_size, crop * HOP)}
        audio = np.concatenate([batch["audio"][batch["mask"]] for batch in batches])
        expected = np.concatenate([item.signal for item in records.utterances("train")])
        np.testing.assert_array_equal(audio, expected)

    def test_mels_are_consecutive_with_context(self, records):
        dataset = records.evaluation_batches(
            "train", batch_size=100, crop_frames=CROP, padding_frames=2
        )
        (batch,) = dataset.as_numpy_iterator()
        row = 0
        for item in records.utterances("train"):
            for start in range(0, len(item.mel), CROP):
                wanted = np.clip(np.arange(start - 2, start + CROP + 2), 0, len(item.mel) - 1)
                np.testing.assert_array_equal(batch["mel"][row], item.mel[wanted])
                assert batch["speaker"][row] == item.speaker
                row += 1
        for name in ("audio", "mask", "mel", "speaker"):
            assert len(batch[name]) == 100 and not batch[name][row:].any()


def test_one_speaker_has_no_speaker_input(tmp_path):
    records = _prepare(tmp_path, speakers=("ann",))
    assert set(_batches(records, 1)[0]) == {"audio", "mask", "mel"}


def test_data_without_mel_have_no_mel_input(tmp_path):
    records = _prepare(tmp_path, with_mel=False)
    assert records.n_mels is None
    assert set(_batches(records, 1)[0]) == {"audio", "mask", "speaker"}
    assert all(item.mel is None for item in records.utterances("train"))


@pytest.mark.parametrize("name", ["batch_size", "crop_frames"])
@pytest.mark.parametrize("value", [0, -1, 2.0, True, None])
def test_sizes_must_be_positive_integers(records, name, value):
    options = {"batch_size": 2, "crop_frames": 2, name: value}
    for method in (records.dataset, records.evaluation_batches):
        with pytest.raises(
            ValueError, match=f"{name} must be an integer of at least 1. Received: {name}="
        ):
            method("train", **options)


@pytest.mark.parametrize("name", ["padding_frames", "start_step"])
def test_counts_must_not_be_negative(records, name):
    with pytest.raises(ValueError, match=f"Received: {name}=-1"):
        records.dataset("train", batch_size=1, crop_frames=1, **{name: -1})


def test_unknown_names_are_errors(records):
    with pytest.raises(ValueError, match="split must be one of train.*Received: split='dev'"):
        records.count("dev")
    with pytest.raises(ValueError, match="one of ann, bob. Received: speaker='eve'"):
        records.speaker_number("eve")
    with pytest.raises(ValueError, match="12 records.*Received: number=12"):
        records.utterance("train", 12)


@pytest.mark.parametrize("crop_frames", [1, 2, 7, 1000])
def test_records_shorter_than_a_crop_are_counted(records, crop_frames):
    frames = [
        len(item.signal) // records.recipe.hop_samples for item in records.utterances("train")
    ]
    expected = sum(length < crop_frames for length in frames)
    assert records.count_shorter("train", crop_frames=crop_frames) == expected


def test_an_empty_split_has_no_dataset(records):
    with pytest.raises(ValueError, match="'test': 0}. Received: split='test'"):
        records.dataset("test", batch_size=1, crop_frames=1)


def test_a_damaged_shard_is_named_while_training(tmp_path):
    records = _prepare(tmp_path)
    (shard,) = (tmp_path / "data").glob("*.tfrecord")
    data = bytearray(shard.read_bytes())
    for offset in range(0, len(data), 100):
        data[offset] ^= 0xFF
    shard.write_bytes(data)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"train-00000.tfrecord' is damaged"):
        _batches(records, 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "found none. Received: directory="),
        (b"{", "one valid JSON value"),
        (b'{"format": 0}', "must be of format 1; prepare them again. Received: format=0"),
        (b"[]", "is damaged, a mapping is expected"),
    ],
)
def test_what_is_not_prepared_data_is_named(tmp_path, content, message):
    if content is not None:
        (tmp_path / "metadata.json").write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        Records(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_metadata_of_other_shards_is_an_error(tmp_path):
    _prepare(tmp_path)
    path = tmp_path / "data" / "metadata.json"
    metadata = json.loads(path.read_text())
    metadata["splits"]["train"]["shards"] = {}
    del metadata["checksum"]
    path.write_text(json.dumps(metadata))
    with pytest.raises(ValueError, match=r"train-00000\.tfrecord'; expected None bytes"):
        Records(tmp_path / "data")
