"""Makes batches for training and evaluation from prepared data, as `tf.data` datasets.

A batch is a dictionary of tensors, `T = crop_frames * hop_samples`:

    audio     float32 [batch, T], the signal in [-1, 1), zeros after the end of a short recording;
              for text int32 [batch, T], a code per character
    mask      bool [batch, T], True where the signal is real
    mel       float32 [batch, crop_frames + 2 * padding_frames, n_mels], unless prepared without;
              beyond the recording its first or last frame is repeated
    speaker   int32 [batch], only if the corpus has more than one speaker
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfwavenet import files
from tfwavenet.audio import recipes
from tfwavenet.checks import whole_number
from tfwavenet.data import metadata, reader, records, sampling
from tfwavenet.data.splits import SPLITS, Split
from tfwavenet.text import TextRecipe

_NO_RECORD = -1


@dataclasses.dataclass(frozen=True)
class PreparedUtterance:
    """One whole record.

    Attributes:
        name: unique name in the data.
        speaker: index into `Records.speakers`.
        signal: float32 [frames * hop_samples] in [-1, 1), as the network sees it; for text the
            codes, int32 [characters].
        mel: float32 [frames, n_mels]. If None, the data were prepared without mels.
        text: the transcript. If None, it is unknown.
    """

    name: str
    speaker: int
    signal: np.ndarray
    mel: np.ndarray | None
    text: str | None


class Records:
    """Opens data written by `prepare`.

    Args:
        directory: folder of the prepared data.

    Attributes:
        metadata: the content of metadata.json.
        recipe: the feature recipe, with fitted statistics; or the text recipe.
        speakers: names of the speakers; the position is the speaker's number.
        n_mels: number of mel bins. If None, the data were prepared without mels.

    Shapes: a batch is a dictionary of `"audio"` [batch, crop_frames * hop_samples], `"mask"` of the
        same shape, `"mel"` [batch, crop_frames + 2 * padding_frames, n_mels] and, with several
        speakers, `"speaker"` [batch].

    Raises:
        ValueError: if there are no finished data in the folder, or a file is missing, cut short or
            does not fit the others; the message names the file.

    Examples:
        >>> import tempfile
        >>> from tfwavenet.data.preparation import prepare
        >>> directory = tempfile.mkdtemp()
        >>> _ = prepare("bundled", output_dir=directory, recipe="speech_16k")
        >>> dataset = Records(directory).dataset("train", batch_size=2, crop_frames=10)
        >>> {name: tuple(value.shape) for name, value in next(iter(dataset)).items()}
        {'audio': (2, 1600), 'mask': (2, 1600), 'mel': (2, 10, 80), 'speaker': (2,)}
    """

    def __init__(self, directory: files.PathLike) -> None:
        folder = pathlib.Path(directory)
        self._folder = str(folder)
        self.metadata = metadata.read(folder)
        self.recipe = recipes.of_any_kind(self.metadata["recipe"])
        self._codes = isinstance(self.recipe, TextRecipe)
        self.speakers = tuple(self.metadata["speakers"])
        self.n_mels = self.recipe.n_mels if self.metadata["settings"]["with_mel"] else None
        self._readers = {
            split: reader.SplitReader(
                folder,
                split=split,
                shard_bytes=self.metadata["splits"][split]["shards"],
                hop_samples=self.recipe.hop_samples,
                n_mels=self.n_mels,
                checksum=self.metadata["splits"][split].get("index_checksum"),
            )
            for split in SPLITS
        }
        for split, source in self._readers.items():
            _check_split(folder, split, source, self.metadata)

    def __repr__(self) -> str:
        """Describes the data in one line."""
        counts = ", ".join(f"{self.count(split)} {split}" for split in SPLITS)
        rate = "" if isinstance(self.recipe, TextRecipe) else f", {self.recipe.sample_rate} Hz"
        return f"<Records {self._folder!r}: {counts} records, {len(self.speakers)} speakers{rate}>"

    def count(self, split: Split) -> int:
        """Returns the number of records of a split, which may be 0."""
        return len(self._reader(split))

    def names(self, split: Split) -> tuple[str, ...]:
        """Returns the names of the records of a split, in order."""
        return tuple(self._reader(split).names)

    def speaker_number(self, name: str) -> int:
        """Returns the number of a speaker.

        Args:
            name: the speaker's name.

        Raises:
            ValueError: if there is no such speaker.
        """
        if name not in self.speakers:
            raise ValueError(
                f"speaker must be one of {', '.join(self.speakers)}. Received: speaker={name!r}"
            )
        return self.speakers.index(name)

    def utterance(self, split: Split, number: int) -> PreparedUtterance:
        """Reads one whole record.

        Args:
            split: the split.
            number: number of the record, 0 up to `count(split) - 1`.

        Raises:
            ValueError: if the number is out of range, or the shard is damaged.
        """
        source = self._reader(split)
        if not 0 <= number < len(source):
            raise ValueError(
                f"The split {split!r} has {len(source)} records, counted from 0. "
                f"Received: number={number}"
            )
        pcm, mel = source.read(number, 0, int(source.frames[number]))
        return PreparedUtterance(
            name=source.names[number],
            speaker=int(source.speakers[number]),
            signal=records.from_pcm(pcm, codes=self._codes),
            mel=mel,
            text=source.texts[number],
        )

    def utterances(self, split: Split) -> Iterator[PreparedUtterance]:
        """Iterates over all whole records of a split, each exactly once, in the order of names."""
        for number in range(self.count(split)):
            yield self.utterance(split, number)

    def windows(self, split: Split, *, crop_frames: int) -> int:
        """Returns how many crops make one epoch: the sum of `ceil(frames / crop_frames)`.

        Args:
            split: the split.
            crop_frames: frames per crop, >= 1.
        """
        crop_frames = whole_number("crop_frames", crop_frames, 1)
        return int(np.sum(-(-self._reader(split).frames // crop_frames)))

    def count_shorter(self, split: Split, *, crop_frames: int) -> int:
        """Counts the records of a split that are shorter than a crop, whose crops are padded.

        Args:
            split: the split.
            crop_frames: frames per crop, >= 1.
        """
        crop_frames = whole_number("crop_frames", crop_frames, 1)
        return int(np.sum(self._reader(split).frames < crop_frames))

    def dataset(
        self,
        split: Split,
        *,
        batch_size: int,
        crop_frames: int,
        padding_frames: int = 0,
        seed: int = 0,
        start_step: int = 0,
        share: sampling.Share = sampling.WHOLE,
    ) -> tf.data.Dataset:
        """Makes an endless dataset of random crops, a pure function of seed and step.

        The batch of step `n` is the same whether the dataset was started at step 0 or at `n`.

        An epoch visits every window of every record once, see `sampling.crop_positions`. So all
        frames are seen equally often, except frames within a crop of either end, which get 0.5 to
        1.5 times their share.

        Args:
            split: the split.
            batch_size: crops per batch, >= 1.
            crop_frames: frames per crop, >= 1.
            padding_frames: mel frames of context on both sides, >= 0.
            seed: chooses order and positions.
            start_step: step of the first batch, >= 0.
            share: rows of each batch to make, for one of several hosts or replicas. A step then
                is one element per replica of the host, which holds the rows of the replica.

        Returns:
            An infinite `tf.data.Dataset` of batches as described for this module.

        Raises:
            ValueError: if an argument is out of range, the split is empty, or the batch cannot be
                shared.
        """
        crops = self._crops(split, batch_size, crop_frames, padding_frames, share)
        start_step = whole_number("start_step", start_step, 0)
        dataset = sampling.crop_positions(
            crops.source.frames,
            crop_frames,
            seed=seed,
            start_step=start_step,
            batch_size=batch_size,
            share=share,
        )
        # Drawing is cheap; reading is done a batch at a time.
        dataset = dataset.batch(crops.batch_size, drop_remainder=True)
        return sampling.finish(sampling.in_order(dataset, crops.load))

    def evaluation_batches(
        self,
        split: Split,
        *,
        batch_size: int,
        crop_frames: int,
        padding_frames: int = 0,
        share: sampling.Share = sampling.WHOLE,
    ) -> tf.data.Dataset:
        """Makes a finite dataset that shows every sample of a split exactly once.

        Records are cut into consecutive crops from their beginning. The rest of the last crop of a
        record, and of the last batch, is masked, so that all batches have one shape.

        Args:
            split: the split.
            batch_size: crops per batch, >= 1.
            crop_frames: frames per crop, >= 1.
            padding_frames: mel frames of context on both sides, >= 0.
            share: rows of each batch to make, see `dataset`.

        Returns:
            A `tf.data.Dataset` of known cardinality, of batches as described for this module. A
            crop that only fills the last batch is all zeros and all masked.

        Raises:
            ValueError: if an argument is out of range, the split is empty, or the batch cannot be
                shared.
        """
        crops = self._crops(split, batch_size, crop_frames, padding_frames, share)
        counts = -(-crops.source.frames // crop_frames)
        record = np.repeat(np.arange(len(counts)), counts)
        start = np.concatenate([np.arange(count) * crop_frames for count in counts])
        missing = -len(record) % batch_size
        record = np.pad(record, (0, missing), constant_values=_NO_RECORD).astype(np.int64)
        start = np.pad(start, (0, missing)).astype(np.int64)
        rows = share.rows(batch_size)
        own = np.arange(len(record)).reshape(-1, batch_size)[:, rows.start : rows.stop].ravel()
        dataset = tf.data.Dataset.from_tensor_slices((record[own], start[own]))
        dataset = dataset.batch(crops.batch_size, drop_remainder=True)
        return sampling.finish(sampling.in_order(dataset, crops.load))

    def _reader(self, split: str) -> reader.SplitReader:
        if split not in self._readers:
            raise ValueError(f"split must be one of {', '.join(SPLITS)}. Received: split={split!r}")
        return self._readers[split]

    def _crops(
        self,
        split: str,
        batch_size: int,
        crop_frames: int,
        padding_frames: int,
        share: sampling.Share,
    ) -> _Crops:
        """Makes the last stage of a dataset of a split that is not empty."""
        source = self._reader(split)
        if len(source) == 0:
            counts = {name: len(found) for name, found in self._readers.items()}
            raise ValueError(
                f"A dataset needs a split with records, found {counts}. Received: split={split!r}"
            )
        with_speaker = len(self.speakers) > 1
        batch, crop, padding = sampling.checked_sizes(batch_size, crop_frames, padding_frames)
        rows = len(share.rows(batch)) // share.replicas
        return _Crops(source, rows, crop, padding, with_speaker=with_speaker, codes=self._codes)


def _check_split(
    folder: pathlib.Path, split: str, source: reader.SplitReader, described: Mapping[str, Any]
) -> None:
    """Raises ValueError unless an index holds the records that the metadata tell of."""
    expected = described["splits"][split]
    found = {"records": len(source), "frames": int(np.sum(source.frames))}
    if any(found[name] != expected[name] for name in found):
        raise ValueError(
            f"The index of {split!r} must hold {expected['records']} records of "
            f"{expected['frames']} frames, as metadata.json says; remove the folder and prepare "
            f"again. Received: {found} in {str(folder)!r}"
        )
    speakers = len(described["speakers"])
    if len(source) and int(np.max(source.speakers)) >= speakers:
        raise ValueError(
            f"The index of {split!r} must name speakers below {speakers}; remove the folder and "
            f"prepare again. Received: speaker={np.max(source.speakers)} in {str(folder)!r}"
        )


@dataclasses.dataclass(frozen=True)
class _Crops:
    """Turns record numbers and first frames into batches; the last stage of both datasets.

    Attributes:
        source: reads the records.
        batch_size: crops per batch, or per replica.
        crop_frames: frames per crop.
        padding_frames: mel frames of context on both sides.
        with_speaker: whether batches tell the speaker.
        codes: whether the records hold codes rather than samples.
    """

    source: reader.SplitReader
    batch_size: int
    crop_frames: int
    padding_frames: int
    with_speaker: bool
    codes: bool

    def load(self, record: tf.Tensor, start: tf.Tensor) -> dict[str, tf.Tensor]:
        """Reads the crops of `record` int64 [batch] that begin at frame `start` int64 [batch]."""
        samples = self.crop_frames * self.source.hop_samples
        types = [tf.int16, tf.int64, tf.int32, tf.float32]
        pcm, frames, speaker, mel = tf.numpy_function(self._read, [record, start], types)
        valid_samples = tf.ensure_shape(frames, [self.batch_size]) * self.source.hop_samples
        pcm = tf.ensure_shape(pcm, [self.batch_size, samples])
        as_audio = tf.cast(pcm, tf.float32) / records.PCM_SCALE
        batch = {
            "audio": tf.cast(pcm, tf.int32) if self.codes else as_audio,
            "mask": tf.sequence_mask(valid_samples, samples),
        }
        if self.source.n_mels is not None:
            shape = [self.batch_size, self.crop_frames + 2 * self.padding_frames]
            batch["mel"] = tf.ensure_shape(mel, [*shape, self.source.n_mels])
        if self.with_speaker:
            batch["speaker"] = tf.ensure_shape(speaker, [self.batch_size])
        return batch

    def _read(self, record: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, ...]:
        """Reads crops into arrays of one size.

        Returns:
            int16 [batch, T], frames that are real int64 [batch], speaker int32 [batch], and
            float32 [batch, crop_frames + 2 * padding_frames, n_mels] (n_mels 0 without mels).
        """
        rows, mel_frames = len(record), self.crop_frames + 2 * self.padding_frames
        audio = np.zeros([rows, self.crop_frames * self.source.hop_samples], np.int16)
        mel = np.zeros([rows, mel_frames, self.source.n_mels or 0], np.float32)
        frames, speaker = np.zeros(rows, np.int64), np.zeros(rows, np.int32)
        for row in np.flatnonzero(record != _NO_RECORD):
            number, first = int(record[row]), int(start[row])
            last = min(first + self.crop_frames, int(self.source.frames[number]))
            pcm, context = self.source.read(number, first, last, padding=self.padding_frames)
            audio[row, : len(pcm)] = pcm
            frames[row], speaker[row] = last - first, self.source.speakers[number]
            if context is not None:
                mel[row, : len(context)] = context
                mel[row, len(context) :] = context[-1]
        return audio, frames, speaker, mel
