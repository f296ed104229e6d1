"""The prepared record, and shards of records as TFRecord files.

A shard is an ordinary TFRecord file of `tf.train.Example`s, so every TFRecord tool reads it. The
payloads of an Example lie contiguously in the file. An index holds their offsets, which gives
random access to any stretch of any record without parsing (see `reader`).
"""

from __future__ import annotations

import dataclasses
import errno
import itertools
import zlib
from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from tfwavenet import files

FORMAT_VERSION = 1
# A signal in [-1, 1] is stored as round(signal * PCM_SCALE), limited to int16.
PCM_SCALE = 32768.0
AUDIO_DTYPE = np.dtype("<i2")
MEL_DTYPE = np.dtype("<f4")

_RECORD_HEADER_BYTES = 12  # uint64 length and its masked CRC-32C
_RECORD_FOOTER_BYTES = 4  # masked CRC-32C of the payload


@dataclasses.dataclass(frozen=True)
class Record:
    """One stretch of speech, ready to be written.

    Attributes:
        name: unique name in the corpus.
        speaker: index into the list of speakers.
        signal: float32 [frames * hop_samples], in [-1, 1], the target of the network; or its
            codes, integers that fit into int16.
        mel: float32 [frames, n_mels]. If None, the data are unconditional.
        text: the transcript. If None, it is unknown.
    """

    name: str
    speaker: int
    signal: np.ndarray
    mel: np.ndarray | None = None
    text: str | None = None


@dataclasses.dataclass(frozen=True)
class IndexEntry:
    """The place of a record in its shard.

    Attributes:
        name: the record's name.
        speaker: index into the list of speakers.
        samples: number of int16 samples.
        audio_offset: byte position of the first sample in the shard.
        mel_offset: byte position of the first mel value, -1 without mel.
        checksum: CRC-32 (zlib) of the audio bytes followed by the mel bytes.
        text: the transcript. If None, it is unknown.
    """

    name: str
    speaker: int
    samples: int
    audio_offset: int
    mel_offset: int
    checksum: int
    text: str | None = None


def to_pcm(signal: np.ndarray) -> np.ndarray:
    """Rounds a float signal [...] in [-1, 1] to int16 [...]; the error is at most 2**-16.

    Only the value 1.0 has no int16 of its own and becomes 32767. Codes are kept as they are.
    """
    if np.issubdtype(np.asarray(signal).dtype, np.integer):
        return np.asarray(signal).astype(AUDIO_DTYPE)
    scaled = np.rint(np.asarray(signal, np.float64) * PCM_SCALE)
    return np.clip(scaled, -PCM_SCALE, PCM_SCALE - 1).astype(AUDIO_DTYPE)


def from_pcm(pcm: np.ndarray, *, codes: bool = False) -> np.ndarray:
    """Turns int16 [...] into float32 [...] in [-1, 1), exactly; codes into int32 [...]."""
    if codes:
        return pcm.astype(np.int32)
    return pcm.astype(np.float32) / np.float32(PCM_SCALE)


def write_shard(path: files.PathLike, records: Iterable[Record]) -> list[IndexEntry]:
    """Writes records as one TFRecord file, all or nothing, and returns their places.

    The bytes depend on the records only. Without records no file is made.

    Args:
        path: the shard's final name.
        records: read one at a time, so that a shard need not fit into memory.

    Returns:
        One entry per record, in order.

    Raises:
        OSError: if the shard cannot be written; the message names it.
    """
    iterator = iter(records)
    first = next(iterator, None)
    if first is None:
        return []
    entries: list[IndexEntry] = []
    position = 0
    with files.atomic_write(path) as file:
        try:
            with tf.io.TFRecordWriter(file.name) as writer:
                for record in itertools.chain([first], iterator):
                    audio, mel = _payloads(record)
                    serialized = _serialize(record, audio, mel)
                    writer.write(serialized)
                    start = position + _RECORD_HEADER_BYTES
                    entries.append(_entry(record, audio, mel, serialized, start))
                    position = start + len(serialized) + _RECORD_FOOTER_BYTES
        except tf.errors.OpError as error:
            full = isinstance(error, tf.errors.ResourceExhaustedError)
            reason = error.message.rsplit("; ", 1)[-1]  # the system's words come last
            raise OSError(errno.ENOSPC if full else errno.EIO, reason) from error
    return entries


def _payloads(record: Record) -> tuple[bytes, bytes]:
    """Returns the bytes of the signal and of the mel (empty without one)."""
    audio = to_pcm(record.signal).tobytes()
    mel = b"" if record.mel is None else np.ascontiguousarray(record.mel, MEL_DTYPE).tobytes()
    return audio, mel


def _serialize(record: Record, audio: bytes, mel: bytes) -> bytes:
    """Returns the record as a serialized `tf.train.Example`."""
    features = {
        "audio": _bytes_feature(audio),
        "name": _bytes_feature(record.name.encode("utf-8", "surrogateescape")),
        "speaker": tf.train.Feature(int64_list=tf.train.Int64List(value=[record.speaker])),
        "text": _bytes_feature((record.text or "").encode("utf-8")),
    }
    if mel:
        features["mel"] = _bytes_feature(mel)
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return example.SerializeToString(deterministic=True)


def _bytes_feature(value: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def _entry(record: Record, audio: bytes, mel: bytes, serialized: bytes, start: int) -> IndexEntry:
    """Finds the places of the payloads in the serialized record."""
    return IndexEntry(
        name=record.name,
        speaker=record.speaker,
        samples=len(audio) // AUDIO_DTYPE.itemsize,
        audio_offset=start + serialized.index(audio),
        mel_offset=start + serialized.index(mel) if mel else -1,
        checksum=zlib.crc32(mel, zlib.crc32(audio)),
        text=record.text,
    )
