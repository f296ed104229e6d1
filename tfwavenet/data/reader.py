"""Reads any stretch of any prepared record, straight from the shard."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import pathlib
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfwavenet import files
from tfwavenet.data import records

_LARGEST = 2**48  # so that no sum of numbers of an index overflows
_COLUMNS = ("shard", "speaker", "samples", "audio_offset", "mel_offset", "checksum")


def index_file(split: str) -> str:
    """Returns the name of the index of a split."""
    return f"index-{split}.json"


def write_index(
    path: files.PathLike, entries: Sequence[tuple[str, Sequence[Mapping[str, Any]]]]
) -> None:
    """Writes the index of a split: one column per property, one row per record.

    Args:
        path: the final name.
        entries: `(shard file name, fields of its `records.IndexEntry`s)` in order.
    """
    flat = [(number, entry) for number, (_, group) in enumerate(entries) for entry in group]
    columns: dict[str, list[Any]] = {"shard": [number for number, _ in flat]}
    for field in dataclasses.fields(records.IndexEntry):
        columns[field.name] = [entry[field.name] for _, entry in flat]
    files.write_json(path, {"shards": [name for name, _ in entries], **columns}, indent=None)


def index_checksum(path: files.PathLike) -> str:
    """Returns the SHA-256 of the file of an index, in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


class SplitReader:
    """Reads records of one split by number, whole or in part.

    A file is opened for every read, so that readers can be shared by threads and processes and
    hold no descriptors. The first time that a record is touched all of it is read and compared
    with its checksum; later reads fetch only what is asked for.

    Args:
        directory: folder of the prepared data.
        split: "train", "validation" or "test".
        shard_bytes: size that every shard of the split must have.
        hop_samples: samples per frame, >= 1.
        n_mels: mel bins, or None for data without mel.
        checksum: checksum that the index must have; None for data of earlier versions.

    Attributes:
        frames: int64 [records], length of every record.
        speakers: int32 [records], index into the list of speakers.
        names: record names.
        texts: transcripts, None where unknown.

    Raises:
        ValueError: if the index or a shard is missing, cut short, or does not fit the other.
    """

    def __init__(
        self,
        directory: files.PathLike,
        *,
        split: str,
        shard_bytes: Mapping[str, int],
        hop_samples: int,
        n_mels: int | None,
        checksum: str | None = None,
    ) -> None:
        self._directory = pathlib.Path(directory)
        self.hop_samples = hop_samples
        self.n_mels = n_mels
        index = _read_index(self._directory / index_file(split), checksum)
        self._paths = [str(self._directory / name) for name in index["shards"]]
        self.names: list[str] = index["name"]
        self.texts: list[str | None] = index["text"]
        self._columns = _columns(index, self._directory / index_file(split))
        self.frames = self._columns["samples"] // hop_samples
        self.speakers = self._columns["speaker"].astype(np.int32)
        self._verified = np.zeros(len(self.names), bool)
        self._check_shards(shard_bytes)

    def __len__(self) -> int:
        return len(self.names)

    def _check_shards(self, shard_bytes: Mapping[str, int]) -> None:
        """Compares the sizes of the shards with the metadata and the index with the sizes."""
        sizes = np.array([_checked_size(path, shard_bytes) for path in self._paths], np.int64)
        ends = self._columns["audio_offset"] + 2 * self._columns["samples"]
        if self.n_mels is not None:
            mel_bytes = self.frames * self.n_mels * records.MEL_DTYPE.itemsize
            ends = np.maximum(ends, self._columns["mel_offset"] + mel_bytes)
            ends[self._columns["mel_offset"] < 0] = np.iinfo(np.int64).max
        beyond = np.flatnonzero(ends > sizes[self._columns["shard"]])
        if beyond.size:
            raise ValueError(
                f"The index in {str(self._directory)!r} points beyond the end of a shard; remove it "
                f"and prepare again. Received: record={self.names[beyond[0]]!r}"
            )

    def read(
        self, record: int, start: int, stop: int, *, padding: int = 0
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Reads the frames from `start` up to `stop` of a record.

        Args:
            record: number of the record.
            start: first frame, at least 0.
            stop: end, at most `frames[record]`.
            padding: mel frames wanted on both sides; where the record ends the edge is repeated.

        Returns:
            int16 [(stop - start) * hop_samples] and float32 [stop - start + 2 * padding, n_mels],
            the latter None for data without mel.

        Raises:
            ValueError: if the shard is damaged; the message names it.
        """
        if not self._verified[record]:
            self._verify(record)
        first, last = max(start - padding, 0), min(stop + padding, int(self.frames[record]))
        pcm_bytes, mel_bytes = self._payloads(record, (start, stop), (first, last))
        pcm = np.frombuffer(pcm_bytes, records.AUDIO_DTYPE)
        if self.n_mels is None:
            return pcm, None
        mel = np.frombuffer(mel_bytes, records.MEL_DTYPE).reshape(-1, self.n_mels)
        wanted = np.arange(start - padding, stop + padding)
        return pcm, mel[np.clip(wanted, first, last - 1) - first]

    def _payloads(
        self, record: int, audio: tuple[int, int], mel: tuple[int, int]
    ) -> tuple[bytes, bytes]:
        """Reads the bytes of two frame ranges of a record, of its audio and of its mel."""
        row = {name: int(column[record]) for name, column in self._columns.items()}
        path = self._paths[row["shard"]]
        frame_bytes = self.hop_samples * records.AUDIO_DTYPE.itemsize
        spans = [(row["audio_offset"], frame_bytes, audio)]
        if self.n_mels is not None:
            spans.append((row["mel_offset"], self.n_mels * records.MEL_DTYPE.itemsize, mel))
        found = []
        with open(path, "rb", buffering=0) as file:
            for offset, width, (start, stop) in spans:
                file.seek(offset + start * width)
                found.append(file.read((stop - start) * width))
        for data, (_, width, (start, stop)) in zip(found, spans):
            if len(data) != (stop - start) * width:
                raise _damaged(path, self.names[record], "it ends too early")
        return found[0], found[1] if len(found) > 1 else b""

    def _verify(self, record: int) -> None:
        """Compares a whole record with its checksum, once."""
        everything = (0, int(self.frames[record]))
        audio, mel = self._payloads(record, everything, everything)
        if zlib.crc32(mel, zlib.crc32(audio)) != int(self._columns["checksum"][record]):
            path = self._paths[int(self._columns["shard"][record])]
            raise _damaged(path, self.names[record], "its checksum does not match")
        self._verified[record] = True


def _read_index(path: pathlib.Path, checksum: str | None) -> dict[str, Any]:
    """Reads the columns of an index and checks that all are there, equally long, and texts."""
    try:
        found = index_checksum(path)
        index = files.read_json(path)
    except FileNotFoundError as error:
        raise ValueError(
            f"Prepared data are expected to have an index. Received: missing file {str(path)!r}"
        ) from error
    if checksum not in (None, found):
        raise ValueError(
            f"The index {str(path)!r} was changed after it was written; remove the folder and "
            f"prepare again. Received: checksum {found}, expected {checksum}"
        )
    expected = ("shards", "name", "text", *_COLUMNS)
    if not isinstance(index, dict) or set(expected) - set(index):
        raise ValueError(
            f"An index must have the columns {', '.join(expected)}. Received: {str(path)!r}"
        )
    if not all(isinstance(index[name], list) for name in expected):
        raise ValueError(f"The columns of an index must be lists. Received: {str(path)!r}")
    lengths = {len(index[name]) for name in expected[1:]}
    if len(lengths) > 1:
        raise ValueError(f"The columns of an index must be equally long. Received: {str(path)!r}")
    texts = [
        *index["shards"],
        *index["name"],
        *(text for text in index["text"] if text is not None),
    ]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError(f"The names of an index must be texts. Received: {str(path)!r}")
    return index


def _columns(index: Mapping[str, Any], path: pathlib.Path) -> dict[str, np.ndarray]:
    """Returns the numbers of an index, int64 [records] each; the offset of no mel is -1."""
    try:
        if any(type(value) is not int for name in _COLUMNS for value in index[name]):
            raise TypeError("a column that holds more than integers")
        columns = {name: np.array(index[name], np.int64) for name in _COLUMNS}
        fit = all((columns[name] >= -(name == "mel_offset")).all() for name in _COLUMNS)
        fit = fit and all((columns[name] < _LARGEST).all() for name in _COLUMNS)
        fit = fit and bool((columns["shard"] < len(index["shards"])).all())
    except (TypeError, ValueError, OverflowError):
        fit = False
    if not fit:
        raise ValueError(
            "The numbers of an index must be those of its shards and records; remove the folder "
            f"and prepare again. Received: {str(path)!r}"
        )
    return columns


def _checked_size(path: str, shard_bytes: Mapping[str, int]) -> int:
    """Returns the size of a shard after comparing it with what it should be."""
    name = os.path.basename(path)
    found = os.path.getsize(path) if os.path.exists(path) else None
    if found is None or found != shard_bytes.get(name):
        raise ValueError(
            f"A shard of the prepared data is missing or cut short: {path!r}; expected "
            f"{shard_bytes.get(name)} bytes. Received: bytes={found}"
        )
    return found


def _damaged(path: str, name: str, how: str) -> ValueError:
    return ValueError(
        f"The shard {path!r} is damaged: {how}; remove the data and prepare again. "
        f"Received: record={name!r}"
    )
