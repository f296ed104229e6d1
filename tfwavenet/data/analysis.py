"""Turns one recording into records, or gives the reason why it cannot be used."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tfwavenet.audio import audio_files
from tfwavenet.audio.features import FeatureRecipe
from tfwavenet.audio.recipe_checks import lacks_statistics
from tfwavenet.data import given_features
from tfwavenet.data.records import Record
from tfwavenet.data.splits import Utterance
from tfwavenet.data.unusable import UnusableRecordingError

# Longer recordings are analyzed in equal parts, which bounds the memory.
_LONGEST_ANALYSIS_SECONDS = 300.0


@dataclasses.dataclass(frozen=True)
class Analysis:
    """Turns recordings into records.

    Attributes:
        recipe: the feature recipe, with statistics if it normalizes by statistics of the corpus.
        max_seconds: longest record; longer recordings are cut into equal parts, > 0.
        with_mel: whether records hold mels. If False, frames only count samples.
        given: whether the features lie in files, see `given_features`, and are not computed.
        transposed: whether these files hold [n_mels, frames].

    Raises:
        ValueError: if features are given and the recipe trims silence, which they do not know, or
            they are features that the recipe computes and normalizes by unknown statistics; or if
            the recipe's features must be given and are not.

    Shapes: a record holds a signal [frames * hop_samples] and a mel [frames, n_mels].
    """

    recipe: FeatureRecipe
    max_seconds: float
    with_mel: bool = True
    given: bool = False
    transposed: bool = False

    def __post_init__(self) -> None:
        if not self.with_mel:
            return
        if self.recipe.features == "given" and not self.given:
            raise ValueError(
                "a recipe whose features are given needs the folder of their files. "
                "Received: features=None"
            )
        if self.given and self.recipe.trim_top_db is not None:
            raise ValueError(
                "given features need a recipe that does not trim silence. "
                f"Received: trim_top_db={self.recipe.trim_top_db}"
            )
        if self.given and self.recipe.features == "mel" and lacks_statistics(self.recipe):
            raise ValueError(
                "mels that are given are taken as the recipe normalizes them, so it must have its "
                "statistics, as that of a trained model has. Received: mean=None"
            )

    @property
    def max_frames(self) -> int:
        """Returns the length of the longest record in frames, at least 1."""
        return max(1, int(self.max_seconds * self.recipe.sample_rate / self.recipe.hop_samples))

    def settings(self) -> dict[str, Any]:
        """Returns the settings that decide about the content of records, as JSON values."""
        return {
            "recipe": self.recipe.get_config(),
            "max_seconds": self.max_seconds,
            "with_mel": self.with_mel,
            **({"transposed": self.transposed} if self.given else {}),
        }

    @property
    def needs_statistics(self) -> bool:
        """Tells whether statistics of the recipe are still to be fitted on the training set."""
        return self.with_mel and lacks_statistics(self.recipe)

    def statistics(self, utterances: Iterable[Utterance]) -> dict[str, Any]:
        """Sums the fields of `MelStatistics` over recordings, without unusable recordings."""
        total = MelStatistics.zero(self.recipe.n_mels)
        for utterance in utterances:
            try:
                total += self._statistics_of(utterance)
            except UnusableRecordingError:
                continue  # the pass that writes reports it
        return {
            "frames": total.frames,
            "total": total.total.tolist(),
            "squares": total.squares.tolist(),
        }

    def fitted(self, results: Sequence[Mapping[str, Any]]) -> Analysis:
        """Returns an analysis whose recipe is fitted to `statistics`; unchanged without frames."""
        total = MelStatistics.zero(self.recipe.n_mels)
        for result in results:
            total += MelStatistics(
                result["frames"], np.array(result["total"]), np.array(result["squares"])
            )
        if total.frames == 0:
            return self
        recipe = self.recipe.with_statistics(*total.mean_and_std())
        return dataclasses.replace(self, recipe=recipe)

    def _statistics_of(self, utterance: Utterance) -> MelStatistics:
        """Sums the values of one recording's features before their normalization."""
        if not self.given:
            return mel_statistics(utterance, self.recipe)
        features = self._given_features(utterance).astype(np.float64)
        return MelStatistics(len(features), features.sum(axis=0), (features**2).sum(axis=0))

    def sample_rate(self, utterance: Utterance) -> int | None:
        """Returns the sample rate of a recording's file, in Hz."""
        return audio_files.info(utterance.path).sample_rate

    def records(self, utterance: Utterance, speaker: int) -> list[Record]:
        """Reads and analyses a recording.

        Args:
            utterance: the recording.
            speaker: index of its speaker.

        Returns:
            At least one record. A recording that is cut gives `name-000`, `name-001`...

        Raises:
            UnusableRecordingError: if the file is missing, not audio, damaged, silent, too short,
                holds NaN, or the recipe refuses it.
        """
        audio = read_usable(utterance.path, self.recipe)
        try:
            parts = list(self._analysed_parts(audio, utterance))
        except ValueError as error:
            raise UnusableRecordingError(str(error)) from error
        pieces = [piece for signal, mel in parts for piece in self._cut(signal, mel)]
        names = [utterance.name]
        if len(pieces) > 1:
            names = [f"{utterance.name}-{number:03d}" for number in range(len(pieces))]
        text = utterance.text if len(pieces) == 1 else None
        return [
            Record(name=name, speaker=speaker, signal=signal, mel=mel, text=text)
            for name, (signal, mel) in zip(names, pieces)
        ]

    def _analyse(self, audio: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Turns audio [samples] into signal [frames * hop_samples] and mel [frames, n_mels]."""
        if self.with_mel:
            return self.recipe.analyze(audio)
        signal = self.recipe.condition_audio(audio)
        return np.pad(signal, (0, -len(signal) % self.recipe.hop_samples)), None

    def _analysed_parts(
        self, audio: np.ndarray, utterance: Utterance
    ) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        """Yields signal and mel of each part of a recording, which is whole if features are given."""
        if self.given and self.with_mel:
            yield self._analyse_with_given(audio, utterance)
        else:
            yield from map(self._analyse, _parts(audio, self.recipe))

    def _analyse_with_given(
        self, audio: np.ndarray, utterance: Utterance
    ) -> tuple[np.ndarray, np.ndarray]:
        """Turns audio [samples] into a signal aligned with the recording's own features."""
        features = self._given_features(utterance)
        if self.recipe.features == "given":
            features = self.recipe.normalize(features).numpy()
        try:
            return self.recipe.analyze_with(audio, features)
        except ValueError as error:
            raise UnusableRecordingError(f"{utterance.features!r}: {error}") from error

    def _given_features(self, utterance: Utterance) -> np.ndarray:
        """Reads the features of a recording, float32 [frames, n_mels]."""
        if utterance.features is None:
            raise UnusableRecordingError(f"no features are given for {utterance.name!r}")
        try:
            return given_features.read(
                utterance.features, width=self.recipe.n_mels, transposed=self.transposed
            )
        except (ValueError, OSError) as error:
            raise UnusableRecordingError(str(error)) from error

    def _cut(
        self, signal: np.ndarray, mel: np.ndarray | None
    ) -> list[tuple[np.ndarray, np.ndarray | None]]:
        """Cuts between frames into the fewest nearly equal pieces of at most `max_frames`."""
        hop_samples = self.recipe.hop_samples
        frames = len(signal) // hop_samples
        count = math.ceil(frames / self.max_frames)
        edges = [frames * number // count for number in range(count + 1)]
        return [
            (signal[low * hop_samples : high * hop_samples], None if mel is None else mel[low:high])
            for low, high in zip(edges, edges[1:])
        ]


def read_usable(path: str, recipe: FeatureRecipe) -> np.ndarray:
    """Reads a recording as mono at the recipe's sample rate, unless it is silent or too short.

    Args:
        path: an audio file of any rate and number of channels.
        recipe: gives the sample rate and the hop.

    Returns:
        float32 [samples].

    Raises:
        UnusableRecordingError: if the file cannot be read, is silent or shorter than one hop.
    """
    try:
        audio, _ = audio_files.read(path, sample_rate=recipe.sample_rate)
    except (audio_files.AudioFileError, OSError) as error:
        raise UnusableRecordingError(str(error)) from error
    except MemoryError as error:
        raise UnusableRecordingError(f"{path!r} does not fit into memory") from error
    if len(audio) < recipe.hop_samples:
        raise UnusableRecordingError(
            f"too short: {path!r} is expected to hold at least one hop of {recipe.hop_samples} "
            f"samples at {recipe.sample_rate} Hz. Received: samples={len(audio)}"
        )
    if audio_files.is_silent(audio):
        peak = float(np.max(np.abs(audio)))
        raise UnusableRecordingError(
            f"silent: {path!r} is expected to reach -60 dB of full scale. Received: peak={peak:.6f}"
        )
    return audio


def _parts(audio: np.ndarray, recipe: FeatureRecipe) -> list[np.ndarray]:
    """Cuts audio [samples] into equal parts no longer than one analysis may be."""
    longest = int(_LONGEST_ANALYSIS_SECONDS * recipe.sample_rate)
    return np.array_split(audio, math.ceil(len(audio) / longest))


@dataclasses.dataclass(frozen=True)
class MelStatistics:
    """Sums over compressed mel frames; mean and deviation follow from them.

    Attributes:
        frames: number of frames.
        total: float64 [n_mels], sum of the values.
        squares: float64 [n_mels], sum of their squares.
    """

    frames: int
    total: np.ndarray
    squares: np.ndarray

    @classmethod
    def zero(cls, n_mels: int) -> MelStatistics:
        """Returns the statistics of no frame at all."""
        return cls(0, np.zeros(n_mels), np.zeros(n_mels))

    def __add__(self, other: MelStatistics) -> MelStatistics:
        return MelStatistics(
            self.frames + other.frames, self.total + other.total, self.squares + other.squares
        )

    def mean_and_std(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns float64 [n_mels] each; a bin that never changes has a deviation of one.

        Raises:
            ValueError: if there is no frame.
        """
        if self.frames == 0:
            raise ValueError("Mel statistics need at least one usable frame. Received: frames=0")
        mean = self.total / self.frames
        variance = self.squares / self.frames - mean**2
        constant = variance < 1e-10 * np.maximum(1.0, mean**2)
        return mean, np.where(constant, 1.0, np.sqrt(np.maximum(variance, 0.0)))


def mel_statistics(utterance: Utterance, recipe: FeatureRecipe) -> MelStatistics:
    """Sums the compressed, not yet normalized mel frames of one recording.

    Args:
        utterance: the recording.
        recipe: makes the mels; its normalization is not used.

    Raises:
        UnusableRecordingError: if `Analysis.records` raises it.
    """
    statistics = MelStatistics.zero(recipe.n_mels)
    audio = read_usable(utterance.path, recipe)
    try:
        for part in _parts(audio, recipe):
            recipe.condition_audio(part)  # a recording that is skipped later must not count here
            mel = recipe.compressed_mel(recipe.prepare_audio(part)).numpy().astype(np.float64)
            statistics += MelStatistics(len(mel), mel.sum(axis=0), (mel**2).sum(axis=0))
    except ValueError as error:
        raise UnusableRecordingError(str(error)) from error
    return statistics
