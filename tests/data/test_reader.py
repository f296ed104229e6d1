"""Any stretch of any record is read exactly; what is damaged is named."""

from __future__ import annotations

import dataclasses
import json
import re

import numpy as np
import pytest

from tests.support.recordings import noise
from tfwavenet.data import reader, records

HOP, BINS, LENGTHS = 5, 3, (7, 1, 4)


def _write(folder, *, with_mel=True):
    """Two shards of records; returns the records and the size of each shard."""
    written = [
        records.Record(
            name=f"r{index}",
            speaker=index,
            signal=records.from_pcm(records.to_pcm(noise(frames * HOP, seed=index))),
            mel=noise(frames * BINS, seed=9 + index).reshape(-1, BINS) if with_mel else None,
            text=f"text {index}",
        )
        for index, frames in enumerate(LENGTHS)
    ]
    groups = {"test-0": written[:2], "test-1": written[2:]}
    entries = [
        (name, [dataclasses.asdict(entry) for entry in records.write_shard(folder / name, group)])
        for name, group in groups.items()
    ]
    reader.write_index(folder / "index-test.json", entries)
    return written, {name: (folder / name).stat().st_size for name in groups}


def _open(folder, sizes, *, n_mels=BINS):
    return reader.SplitReader(
        folder, split="test", shard_bytes=sizes, hop_samples=HOP, n_mels=n_mels
    )


def test_columns(tmp_path):
    _, sizes = _write(tmp_path)
    source = _open(tmp_path, sizes)
    assert len(source) == 3
    assert source.names == ["r0", "r1", "r2"]
    assert source.texts == ["text 0", "text 1", "text 2"]
    np.testing.assert_array_equal(source.frames, LENGTHS)
    np.testing.assert_array_equal(source.speakers, [0, 1, 2])


@pytest.mark.parametrize("padding", [0, 1, 3, 20])
def test_every_stretch_of_every_record(tmp_path, padding):
    written, sizes = _write(tmp_path)
    source = _open(tmp_path, sizes)
    for number, record in enumerate(written):
        frames = LENGTHS[number]
        context = np.pad(record.mel, ((padding, padding), (0, 0)), mode="edge")
        for start in range(frames):
            for stop in range(start + 1, frames + 1):
                pcm, mel = source.read(number, start, stop, padding=padding)
                signal = record.signal[start * HOP : stop * HOP]
                np.testing.assert_array_equal(records.from_pcm(pcm), signal)
                np.testing.assert_array_equal(mel, context[start : stop + 2 * padding])


def test_data_without_mel(tmp_path):
    written, sizes = _write(tmp_path, with_mel=False)
    pcm, mel = _open(tmp_path, sizes, n_mels=None).read(0, 2, 4, padding=1)
    np.testing.assert_array_equal(records.from_pcm(pcm), written[0].signal[2 * HOP : 4 * HOP])
    assert mel is None


def _flip(path, offset):
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("payload", ["audio_offset", "mel_offset"])
def test_a_flipped_bit_names_shard_and_record(tmp_path, payload):
    _, sizes = _write(tmp_path)
    index = json.loads((tmp_path / "index-test.json").read_text())
    # The last byte of record r0: reading its first frame alone must find it too.
    length = LENGTHS[0] * (2 * HOP if payload == "audio_offset" else 4 * BINS)
    _flip(tmp_path / "test-0", index[payload][0] + length - 1)
    source = _open(tmp_path, sizes)
    with pytest.raises(ValueError, match="test-0' is damaged.*checksum.*record='r0'"):
        source.read(0, 0, 1)
    source.read(1, 0, 1)
    source.read(2, 0, 1)


@pytest.mark.parametrize("size", [0, 1, -1])
def test_a_shard_cut_short_is_found_at_opening(tmp_path, size):
    _, sizes = _write(tmp_path)
    data = (tmp_path / "test-1").read_bytes()
    (tmp_path / "test-1").write_bytes(data[:size])
    with pytest.raises(ValueError, match=rf"test-1'; expected {sizes['test-1']} bytes. Received"):
        _open(tmp_path, sizes)


def test_a_shard_cut_short_later_is_found_at_reading(tmp_path):
    _, sizes = _write(tmp_path)
    source = _open(tmp_path, sizes)
    source.read(0, 0, 1)
    (tmp_path / "test-0").write_bytes(b"")
    with pytest.raises(ValueError, match="test-0' is damaged: it ends too early"):
        source.read(0, 0, 1)


def test_a_missing_shard_is_named(tmp_path):
    _, sizes = _write(tmp_path)
    (tmp_path / "test-1").unlink()
    with pytest.raises(ValueError, match="test-1'.*Received: bytes=None"):
        _open(tmp_path, sizes)


def test_a_missing_index_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"Received: missing file .*index-test\.json"):
        _open(tmp_path, {})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda index: index.pop("mel_offset"), "must have the columns"),
        (lambda index: index["samples"].pop(), "equally long"),
        (lambda index: index["audio_offset"].__setitem__(2, 10**6), "beyond the end.*'r2'"),
        (lambda index: index["mel_offset"].__setitem__(1, 10**6), "beyond the end.*'r1'"),
    ],
)
def test_an_index_that_does_not_fit_is_named(tmp_path, change, message):
    _, sizes = _write(tmp_path)
    path = tmp_path / "index-test.json"
    index = json.loads(path.read_text())
    change(index)
    path.write_text(json.dumps(index))
    with pytest.raises(ValueError, match=message) as caught:
        _open(tmp_path, sizes)
    assert re.search("Received", str(caught.value)) and str(tmp_path) in str(caught.value)


def test_an_index_cut_short_is_named(tmp_path):
    _, sizes = _write(tmp_path)
    path = tmp_path / "index-test.json"
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(ValueError, match=r"index-test\.json"):
        _open(tmp_path, sizes)
