"""Makes batches for training straight from a folder of audio files, without `prepare`."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np
import tensorflow as tf
from absl import logging

from tfwavenet import files
from tfwavenet.audio import audio_files, graph_decode, recipes, signal_chain
from tfwavenet.audio.features import FeatureRecipe
from tfwavenet.audio.recipe_checks import lacks_statistics
from tfwavenet.checks import whole_number
from tfwavenet.data import corpora, sampling
from tfwavenet.data.splits import Utterance

AudioSplit = Literal["train", "validation"]

_WAV_ENCODINGS = ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")
# Containers and encodings, by libsndfile's names, that tensorflow-io decodes rightly.
_DECODED = {
    "WAV": _WAV_ENCODINGS,
    "WAVEX": _WAV_ENCODINGS,
    "FLAC": ("PCM_S8", "PCM_16", "PCM_24"),
    "OGG": ("VORBIS",),
    "MP3": ("MPEG_LAYER_III",),
}


def audio_files_dataset(
    directory: files.PathLike,
    *,
    recipe: str | Mapping[str, Any] | FeatureRecipe,
    batch_size: int,
    crop_frames: int,
    padding_frames: int = 0,
    with_mel: bool = True,
    split: AudioSplit = "train",
    validation_split: float = 0.0,
    seed: int = 0,
    start_step: int = 0,
) -> tf.data.Dataset:
    """Makes an endless dataset of random crops of audio files, a pure function of seed and step.

    The files are decoded by tensorflow-io and analyzed in the graph each time that a crop of them
    is drawn. Nothing is written. The batches and their order are those of `Records.dataset` after
    `prepare("folder", ...)`, but for its rounding to 16 bits and its cutting of long recordings.
    Use `prepare` for recordings of many minutes, of another sample rate, or in other formats.

    All WAV, FLAC, MP3 and Ogg Vorbis files at any depth are used; several channels are averaged.
    The first folder below `directory` names the speaker. Files that cannot be used are left out
    with one warning. A silent recording (below -60 dB of full scale) is masked.

    Args:
        directory: folder of the recordings.
        recipe: feature recipe, its name or its config. It must not trim.
        batch_size: crops per batch, at least 1.
        crop_frames: frames per crop, at least 1.
        padding_frames: mel frames of context on both sides, at least 0.
        with_mel: if False, batches have no mel, for unconditional models.
        split: "train" or "validation".
        validation_split: share of every speaker's files for validation, 0 up to 1. It depends on
            the names of the files only, never on `seed`.
        seed: chooses order and positions of the crops.
        start_step: step of the first batch, at least 0. The batch of step `n` is the same in a
            dataset that was started at step 0 and in one that was started at step `n`.

    Returns:
        An infinite `tf.data.Dataset` of dictionaries, with `T = crop_frames * hop_samples`:
        `"audio"` float32 [batch, T] in [-1, 1], `"mask"` bool [batch, T], `"mel"` float32
        [batch, crop_frames + 2 * padding_frames, n_mels], and `"speaker"` int32 [batch] if there
        are several speakers. Its attributes `file_paths` and `speakers` are tuples: the files
        that are used, and the names of the speakers in the order of their numbers.

    Raises:
        ValueError: if an argument is out of range, the recipe trims or lacks statistics, there is
            no usable file, or a file has another sample rate than the recipe.

    Examples:
        >>> folder = corpora.BUNDLED_ROOT
        >>> dataset = audio_files_dataset(folder, recipe="speech_16k", batch_size=2, crop_frames=10)
        >>> {name: tuple(value.shape) for name, value in next(iter(dataset)).items()}
        {'audio': (2, 1600), 'mask': (2, 1600), 'mel': (2, 10, 80)}
    """
    recipe = _checked_recipe(recipes.get(recipe), with_mel)
    sizes = sampling.checked_sizes(batch_size, crop_frames, padding_frames)
    batch_size, crop_frames, padding_frames = sizes
    start_step = whole_number("start_step", start_step, 0)
    if split not in get_args(AudioSplit):
        raise ValueError(f"split must be one of {get_args(AudioSplit)}. Received: split={split!r}")
    corpus = corpora.read_corpus("folder", root=directory, validation=validation_split, test=0.0)
    chosen = [item for item in corpus.utterances if item.split == split]
    samples = _usable_samples(chosen, recipe, with_mel)
    if not samples:
        raise ValueError(
            f"The split must have a usable audio file; {len(chosen)} of the folder's "
            f"{len(corpus.utterances)} audio files are in it. Received: "
            f"directory={os.fspath(directory)!r}, split={split!r}, {validation_split=}"
        )
    speakers = sorted({item.speaker for item in corpus.utterances})
    used = [item for item in chosen if item.path in samples]
    crops = _Crops(
        recipe=recipe,
        crop_frames=crop_frames,
        padding_frames=padding_frames,
        with_mel=with_mel,
        paths=tf.constant([os.fsencode(item.path) for item in used]),
        speakers=tf.constant([speakers.index(item.speaker) for item in used], tf.int32),
        with_speaker=len(speakers) > 1,
    )
    frames = [crops.frame_count(samples[item.path]) for item in used]
    dataset = sampling.crop_positions(
        np.array(frames, np.int64),
        crop_frames,
        seed=seed,
        start_step=start_step,
        batch_size=batch_size,
    )
    dataset = sampling.in_order(dataset, crops.load).batch(batch_size, drop_remainder=True)
    dataset = sampling.finish(dataset)
    dataset.file_paths = tuple(item.path for item in used)
    dataset.speakers = tuple(speakers)
    return dataset


def _checked_recipe(recipe: FeatureRecipe, with_mel: bool) -> FeatureRecipe:
    """Returns a recipe that can be followed in the graph.

    Raises:
        ValueError: if the recipe trims, or lacks the statistics that mels need.
    """
    if recipe.trim_top_db is not None:
        raise ValueError(
            "audio_files_dataset does not trim silence; use `prepare`, or a recipe with "
            f"trim_top_db=None. Received: trim_top_db={recipe.trim_top_db}"
        )
    if with_mel and recipe.features == "given":
        raise ValueError(
            "audio_files_dataset computes features; use `prepare` with a folder of features. "
            "Received: features='given'"
        )
    if with_mel and lacks_statistics(recipe):
        raise ValueError(
            "audio_files_dataset does not fit statistics; use `prepare`, or a recipe that has "
            "mean and std (see FeatureRecipe.with_statistics). Received: "
            f"normalization='standard', mean={recipe.mean}, std={recipe.std}"
        )
    return recipe


def _usable_samples(
    utterances: Sequence[Utterance], recipe: FeatureRecipe, with_mel: bool
) -> dict[str, int]:
    """Returns the length of every usable file in samples, by its path, from the headers alone.

    Raises:
        ValueError: if a usable file has another sample rate than the recipe.
    """
    least = max(recipe.hop_samples, recipe.least_samples if with_mel else 0)
    samples: dict[str, int] = {}
    refused: list[str] = []
    resampled: list[str] = []
    for item in utterances:
        try:
            info = _decodable_info(item.path, least)
        except audio_files.AudioFileError as error:
            refused.append(str(error))
            continue
        samples[item.path] = info.frames
        if info.sample_rate != recipe.sample_rate:
            resampled.append(f"{item.path!r} of {info.sample_rate} Hz")
    if resampled:
        raise ValueError(
            f"audio_files_dataset does not resample: files must have the {recipe.sample_rate} Hz "
            f"of the recipe; use `prepare`, which resamples. Received: {len(resampled)} other "
            f"files, the first is {resampled[0]}"
        )
    if refused:
        logging.warning("%d audio files are left out. The first: %s", len(refused), refused[0])
    return samples


def _decodable_info(path: str, least: int) -> audio_files.AudioInfo:
    """Reads the header of a file that is whole, by what its container says, and long enough.

    Raises:
        AudioFileError: if the file cannot be used; the message is the reason.
    """
    info = audio_files.whole_info(path)
    if info.encoding not in _DECODED.get(info.container, ()):
        raise audio_files.AudioFileError(
            f"Audio file {path!r} is expected to be WAV, FLAC, Ogg Vorbis or MP3, which are "
            f"decoded in the graph. Received: {info.container} of {info.encoding}"
        )
    if info.frames < least:
        raise audio_files.AudioFileError(
            f"Audio file {path!r} is expected to hold at least {least} samples. "
            f"Received: samples={info.frames}"
        )
    return info


@dataclasses.dataclass(frozen=True)
class _Crops:
    """Reads crops of audio files in the graph.

    Attributes:
        recipe: what signal and mel are made by.
        crop_frames: frames per crop.
        padding_frames: mel frames of context on both sides.
        with_mel: whether crops have a mel.
        paths: string [files].
        speakers: int32 [files].
        with_speaker: whether crops tell the speaker.
    """

    recipe: FeatureRecipe
    crop_frames: int
    padding_frames: int
    with_mel: bool
    paths: tf.Tensor
    speakers: tf.Tensor
    with_speaker: bool

    def frame_count(self, samples: int | tf.Tensor) -> int | tf.Tensor:
        """Returns the frames of a recording of so many samples, int or int scalar tensor."""
        if self.with_mel:
            return self.recipe.frame_count(samples)
        return -(-samples // self.recipe.hop_samples)

    def load(self, file: tf.Tensor, start: tf.Tensor) -> dict[str, tf.Tensor]:
        """Reads the crop of a file that begins at frame `start`; both are int64 scalars."""
        audio, is_silent = _read(self.paths[file])
        prepared = signal_chain.prepare_graph(audio[tf.newaxis], recipe=self.recipe)
        signal = signal_chain.to_signal_graph(prepared, recipe=self.recipe)[0]
        # The length of an MP3 file may be an estimate in its header.
        frames = self.frame_count(tf.shape(audio)[0])
        first = tf.minimum(tf.cast(start, tf.int32), tf.maximum(frames - self.crop_frames, 0))
        stop = tf.minimum(first + self.crop_frames, frames)
        piece = self._signal_crop(signal, first, stop)
        valid = tf.where(is_silent, 0, (stop - first) * self.recipe.hop_samples)
        crop = {"audio": piece, "mask": tf.sequence_mask(valid, piece.shape[0])}
        if self.with_mel:
            count = self.crop_frames + 2 * self.padding_frames
            crop["mel"] = self.recipe.mel_window(prepared[0], first - self.padding_frames, count)
        if self.with_speaker:
            crop["speaker"] = self.speakers[file]
        return crop

    def _signal_crop(self, signal: tf.Tensor, first: tf.Tensor, stop: tf.Tensor) -> tf.Tensor:
        """Cuts the frames from `first` up to `stop`, with zeros behind them, out of a signal."""
        hop, size = self.recipe.hop_samples, self.crop_frames * self.recipe.hop_samples
        offset = self.recipe.signal_offset
        padded = tf.pad(signal, [[offset, size]])[first * hop : stop * hop]
        return tf.ensure_shape(tf.pad(padded, [[0, size - tf.shape(padded)[0]]]), [size])


def _read(path: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Decodes a file in the graph.

    Returns:
        audio float32 [samples], all zeros for a silent recording, and whether it is silent.
    """
    channels, _ = graph_decode.decode(tf.io.read_file(path))
    audio = tf.reduce_mean(channels, axis=1)
    # A comparison with NaN is false.
    within = tf.reduce_all(tf.abs(audio) <= audio_files.LARGEST_SAMPLE)
    expected = "an audio file of finite samples whose full scale is 1 expected. Received:"
    with tf.control_dependencies([tf.debugging.Assert(within, [expected, path])]):
        offset = tf.reduce_mean(audio)
    is_silent = tf.reduce_max(tf.abs(audio - offset)) < audio_files.SILENCE
    return tf.where(is_silent, tf.zeros_like(audio), audio), is_silent
