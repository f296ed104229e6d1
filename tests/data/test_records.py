"""Shards are TFRecord files, found again through the index to the bit."""

from __future__ import annotations

import dataclasses
import os
import zlib

import numpy as np
import pytest
import tensorflow as tf

from tests.support.full_disk import file_size_limit
from tests.support.recordings import noise
from tfwavenet.data import records

HOP, BINS = 5, 3


def make_records(lengths=(1, 4, 2), *, with_mel=True):
    return [
        records.Record(
            name=f"r{index}",
            speaker=index % 2,
            signal=noise(frames * HOP, seed=index),
            mel=noise(frames * BINS, seed=50 + index).reshape(-1, BINS) if with_mel else None,
            text="ä" if index else None,
        )
        for index, frames in enumerate(lengths)
    ]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (0.0, 0),
        (1.0, 32767),  # the one value without a code of its own
        (-1.0, -32768),
        (32767 / 32768, 32767),
        (0.49 / 32768, 0),
        (0.51 / 32768, 1),
        (-0.51 / 32768, -1),
        (1.5, 32767),
        (-1.5, -32768),
    ],
)
def test_pcm_codes(value, code):
    assert records.to_pcm(np.array([value], np.float32)) == [code]


def test_pcm_round_trip_of_every_code():
    codes = np.arange(-32768, 32768).astype(np.int16)
    values = records.from_pcm(codes)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values * 32768, codes)
    np.testing.assert_array_equal(records.to_pcm(values), codes)


def test_pcm_error_is_half_a_step():
    signal = noise(10_000, level=0.99)
    assert np.max(np.abs(records.from_pcm(records.to_pcm(signal)) - signal)) <= 2.0**-16


@pytest.mark.parametrize("with_mel", [True, False])
def test_tensorflow_reads_what_was_written(tmp_path, with_mel):
    written = make_records(with_mel=with_mel)
    records.write_shard(tmp_path / "a.tfrecord", written)
    dataset = tf.data.TFRecordDataset(str(tmp_path / "a.tfrecord"))
    spec = dict.fromkeys(["audio", "name", "text"], tf.io.FixedLenFeature([], tf.string))
    spec["speaker"] = tf.io.FixedLenFeature([], tf.int64)
    spec["mel"] = tf.io.FixedLenFeature([], tf.string, default_value=b"")
    found = [tf.io.parse_single_example(item, spec) for item in dataset]
    assert [item["name"].numpy().decode() for item in found] == ["r0", "r1", "r2"]
    assert [item["speaker"].numpy() for item in found] == [0, 1, 0]
    assert [item["text"].numpy().decode() for item in found] == ["", "ä", "ä"]
    for item, record in zip(found, written):
        pcm = tf.io.decode_raw(item["audio"], tf.int16)
        np.testing.assert_allclose(records.from_pcm(pcm.numpy()), record.signal, atol=2.0**-16)
        mel = tf.io.decode_raw(item["mel"], tf.float32).numpy()
        np.testing.assert_array_equal(mel, record.mel.ravel() if with_mel else [])


@pytest.mark.parametrize("with_mel", [True, False])
def test_entries_point_at_the_payloads(tmp_path, with_mel):
    written = make_records(with_mel=with_mel)
    entries = records.write_shard(tmp_path / "a.tfrecord", written)
    data = (tmp_path / "a.tfrecord").read_bytes()
    assert [entry.name for entry in entries] == [record.name for record in written]
    for entry, record in zip(entries, written):
        audio = data[entry.audio_offset :][: 2 * entry.samples]
        np.testing.assert_array_equal(
            np.frombuffer(audio, "<i2"), np.rint(record.signal.astype(np.float64) * 32768)
        )
        if with_mel:
            mel = data[entry.mel_offset :][: record.mel.nbytes]
            np.testing.assert_array_equal(np.frombuffer(mel, "<f4"), record.mel.ravel())
            assert entry.checksum == zlib.crc32(audio + mel)
        else:
            assert (entry.mel_offset, entry.checksum) == (-1, zlib.crc32(audio))


def test_payloads_that_look_like_other_fields_are_found(tmp_path):
    # The signal spells the record's own name, which lies elsewhere in the same bytes.
    signal = np.frombuffer(b"mel\0audi", "<i2").astype(np.float32) / 32768
    record = records.Record("mel\0audi", 0, signal, signal.reshape(2, 2))
    (entry,) = records.write_shard(tmp_path / "a.tfrecord", [record])
    data = (tmp_path / "a.tfrecord").read_bytes()
    assert data[entry.audio_offset :][:8] == b"mel\0audi"
    assert data[entry.mel_offset :][:16] == signal.tobytes()


def test_bytes_depend_on_the_records_only(tmp_path):
    for name in ("a", "b"):
        records.write_shard(tmp_path / name, iter(make_records()))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_no_record_makes_no_file(tmp_path):
    assert records.write_shard(tmp_path / "a.tfrecord", []) == []
    assert os.listdir(tmp_path) == []


def test_an_error_halfway_leaves_no_file(tmp_path):
    def failing():
        yield from make_records()
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        records.write_shard(tmp_path / "a.tfrecord", failing())
    assert os.listdir(tmp_path) == []


def test_full_disk_names_the_shard_and_leaves_nothing(tmp_path):
    many = [records.Record("r", 0, np.zeros(8_000, np.float32))] * 20
    path = tmp_path / "a.tfrecord"

    def fill():
        with file_size_limit(50_000):
            records.write_shard(path, many)

    with pytest.raises(OSError, match="nothing was changed.*too large") as caught:
        fill()
    assert caught.value.filename == str(path)
    assert os.listdir(tmp_path) == []


def test_entries_are_plain_values(tmp_path):
    (entry, *_) = records.write_shard(tmp_path / "a", make_records())
    types = {type(value) for value in dataclasses.asdict(entry).values()}
    assert types <= {int, str, type(None)}
