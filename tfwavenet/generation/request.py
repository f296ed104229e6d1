"""The request of a generation: features, speakers, seeds and lengths, checked and in one shape."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from absl import logging

from tfwavenet.audio.feature_plausibility import implausible
from tfwavenet.audio.features import FeatureRecipe
from tfwavenet.audio.resample import resample
from tfwavenet.checks import whole_number
from tfwavenet.generation.protocols import GenerativeModel


@dataclasses.dataclass(frozen=True)
class Request:
    """A batch of utterances to generate.

    Attributes:
        samples: int64 [batch], samples of each utterance, the samples of the prompt included.
        seeds: one Python integer per utterance.
        mels: features float32 [frames, channels] of each utterance, or None.
        speaker: int32 [batch] or float32 [batch, channels], or None.
        prompt: values [batch, samples] of the network that precede the generated ones, float32
            or int32, or None.
    """

    samples: np.ndarray
    seeds: tuple[int, ...]
    mels: list[np.ndarray] | None = None
    speaker: np.ndarray | None = None
    prompt: np.ndarray | None = None

    @property
    def prompt_samples(self) -> int:
        """Number of samples that are given rather than generated."""
        return 0 if self.prompt is None else self.prompt.shape[1]

    @classmethod
    def create(
        cls,
        model: GenerativeModel,
        *,
        mel: Any = None,
        speaker: Any = None,
        samples: int | None = None,
        seed: Any = 0,
        prompt: Any = None,
        prompt_sample_rate: int | None = None,
    ) -> Request:
        """Checks the arguments of `generate` against a model and against each other.

        Raises:
            ValueError: If arguments do not fit; the message names the argument.
        """
        mels = _mels(model, mel)
        values = None if prompt is None else prompt_values(model, prompt, prompt_sample_rate)
        sizes = {
            "mel": None if mels is None else len(mels),
            "speaker": None if np.ndim(speaker) == 0 else len(speaker),
            "seed": None if np.ndim(seed) == 0 else len(seed),
            "prompt": None if values is None or len(values) == 1 else len(values),
        }
        batch = _batch_size(sizes)
        lengths = _lengths(model, mels, samples, values, batch)
        return cls(
            samples=lengths,
            seeds=_seeds(seed, batch),
            mels=mels,
            speaker=_speaker(model, speaker, batch),
            prompt=None if values is None else np.repeat(values, batch // len(values), axis=0),
        )

    def select(self, utterances: Sequence[int]) -> Request:
        """Returns the request for some of the utterances, by number."""
        chosen = list(utterances)
        return Request(
            samples=self.samples[chosen],
            seeds=tuple(self.seeds[i] for i in chosen),
            mels=None if self.mels is None else [self.mels[i] for i in chosen],
            speaker=None if self.speaker is None else self.speaker[chosen],
            prompt=None if self.prompt is None else self.prompt[chosen],
        )

    @classmethod
    def for_streams(
        cls, model: GenerativeModel, *, batch_size: int, speaker: Any, seed: Any
    ) -> Request:
        """Checks what streams begin with, before there are features or lengths.

        Raises:
            ValueError: If arguments do not fit; the message names the argument.
        """
        sizes = {
            "batch_size": batch_size,
            "speaker": None if np.ndim(speaker) == 0 else len(speaker),
            "seed": None if np.ndim(seed) == 0 else len(seed),
        }
        batch = _batch_size(sizes)
        return cls(
            samples=np.zeros([batch], np.int64),
            seeds=_seeds(seed, batch),
            speaker=_speaker(model, speaker, batch),
        )


def _seeds(seed: Any, batch: int) -> tuple[int, ...]:
    if np.ndim(seed) == 0:
        first = _seed(seed)
        return tuple(first + index for index in range(batch))
    return tuple(_seed(one) for one in seed)


def _seed(seed: Any) -> int:
    return whole_number("seed", seed, -(2**63), 2**63 - 1)


def require_finite(signal: np.ndarray) -> np.ndarray:
    """Returns a generated signal, if it can be heard.

    Features may be finite and yet too large for the numbers that the network computes with.

    Args:
        signal: numbers of any shape.

    Raises:
        ValueError: if the signal holds NaN or infinity.
    """
    if not np.isfinite(signal).all():
        raise ValueError(
            "Expected weights and features with which the network stays finite. "
            "Received: generated audio with NaN or infinity"
        )
    return signal


def check_batch_size(batch_size: int | None) -> None:
    """Refuses what cannot be a number of utterances at a time.

    Raises:
        ValueError: If the value is no whole number, or below 1.
    """
    if batch_size is not None:
        whole_number("batch_size", batch_size, 1)


def _batch_size(sizes: dict[str, int | None]) -> int:
    given = {name: size for name, size in sizes.items() if size is not None}
    if len(set(given.values())) > 1:
        raise ValueError(f"Expected the same number of utterances everywhere. Received: {given}")
    return next(iter(given.values()), 1)


def _mels(model: GenerativeModel, mel: Any) -> list[np.ndarray] | None:
    if model.upsampler is None:
        if mel is not None:
            raise ValueError("This network takes no features. Received: mel")
        return None
    if mel is None:
        raise ValueError("This network needs features. Received: mel=None")
    if not isinstance(mel, (list, tuple)):
        mel = _numbers(mel)
        mel = mel[np.newaxis] if mel.ndim == 2 else mel
    mels = [_numbers(one) for one in mel]
    if not mels:
        raise ValueError("Expected features of at least one utterance. Received: mel=[]")
    for index, one in enumerate(mels):
        _check_mel(one, index, model.local_channels)
    _warn_of_another_recipe(model, mels)
    return mels


def _warn_of_another_recipe(model: GenerativeModel, mels: list[np.ndarray]) -> None:
    """Warns once of features that the model's recipe cannot have made, which give noise."""
    if not isinstance(model.recipe, FeatureRecipe):
        return
    for index, mel in enumerate(mels):
        found = implausible(mel, model.recipe)
        if found is not None:
            logging.warning(
                "The features of utterance %d look as if another recipe had made them: %s",
                index,
                found,
            )
            return


def _numbers(mel: Any) -> np.ndarray:
    """Returns features as float32."""
    if tf.is_tensor(mel) and not hasattr(mel, "numpy"):
        raise ValueError(
            "generate runs eagerly and compiles by itself; inside of tf.function use the "
            "signatures of tfwavenet.export_saved_model. Received: a symbolic tensor"
        )
    try:
        return np.asarray(mel, np.float32)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"Expected features of numbers. Received: {type(mel).__name__} ({error})"
        ) from error


def _check_mel(mel: np.ndarray, index: int, channels: int) -> None:
    if mel.ndim != 2 or mel.shape[1] != channels or not len(mel):
        raise ValueError(
            f"Expected mel of shape [frames, {channels}] with at least one frame for utterance "
            f"{index}. Received: shape={mel.shape}"
        )
    if not np.isfinite(mel).all():
        frame = int(np.argwhere(~np.isfinite(mel))[0, 0])
        raise ValueError(
            f"Expected finite mel values for utterance {index}. Received: {mel[frame].min()} in "
            f"frame {frame}"
        )


def prompt_values(
    model: GenerativeModel, prompt: Any, sample_rate: int | None = None
) -> np.ndarray:
    """Converts a prompt to values of the network.

    Args:
        model: the model.
        prompt: see `WaveNet.generate`.
        sample_rate: sample rate of the prompt in Hz. If None, the model's.

    Returns:
        int32 or float32 [batch, samples], whole frames of a model with features.

    Raises:
        ValueError: If the prompt does not fit the model, or is shorter than a frame.
    """
    prompt = np.atleast_2d(np.asarray(prompt))
    classes = model.codec.num_codes
    if prompt.ndim != 2 or not prompt.shape[1]:
        raise ValueError(
            "Expected prompt of shape [samples] or [batch, samples], not empty. "
            f"Received: shape={prompt.shape}"
        )
    if prompt.dtype.kind in "iu" and classes is not None:
        if not 0 <= prompt.min() <= prompt.max() < classes:
            raise ValueError(
                f"Expected prompt of codes from 0 to {classes - 1}. "
                f"Received: {prompt.min()} to {prompt.max()}"
            )
        return prompt.astype(np.int32)
    if model.codec.signal_dtype.is_integer:
        raise ValueError(
            "Expected the codes of a text as prompt, see the recipe's `encode`. "
            f"Received: dtype={prompt.dtype}"
        )
    if prompt.dtype.kind != "f":
        raise ValueError(
            f"Expected floating prompt, full scale is 1. Received: dtype={prompt.dtype}"
        )
    if not np.isfinite(prompt).all():
        raise ValueError("Expected finite prompt. Received: NaN or infinity")
    signal = np.stack([_signal(model, row, sample_rate) for row in prompt])
    return model.codec.encode(tf.constant(signal)).numpy()


def _signal(model: GenerativeModel, recording: np.ndarray, sample_rate: int | None) -> np.ndarray:
    """Returns a recording as the network sees it, float32 [samples], of whole frames."""
    recipe = model.recipe
    if recipe is None and sample_rate is not None:
        raise ValueError(
            "A model without a feature recipe has no sample rate to resample to. "
            f"Received: prompt_sample_rate={sample_rate}"
        )
    if recipe is None:
        signal = recording.astype(np.float32)
    else:
        rates = {
            "source_rate": sample_rate or recipe.sample_rate,
            "target_rate": recipe.sample_rate,
        }
        signal = recipe.condition_audio(resample(recording, **rates))
        signal = np.pad(signal, (recipe.signal_offset, 0))
    unit = 1 if model.upsampler is None else model.upsampler.hop_samples
    whole = len(signal) // unit * unit
    if not whole:
        raise ValueError(
            f"Expected prompt of at least one frame of {unit} samples. "
            f"Received: samples={len(signal)}"
        )
    return signal[:whole]


def _lengths(
    model: GenerativeModel,
    mels: list[np.ndarray] | None,
    samples: int | None,
    prompt: Any,
    batch: int,
) -> np.ndarray:
    given = 0 if prompt is None else prompt.shape[1]
    if mels is None:
        return np.full([batch], given + whole_number("samples", samples, 1))
    hop = model.upsampler.hop_samples
    if samples is not None:
        raise ValueError(f"The features set the length. Received: samples={samples} beside mel")
    lengths = np.array([len(mel) * hop for mel in mels])
    if given % hop or (given and given >= lengths.min()):
        raise ValueError(
            f"Expected prompt of whole frames of {hop} samples, shorter than the features. "
            f"Received: {given} samples with features for {lengths.min()}"
        )
    return lengths


def _speaker(model: GenerativeModel, speaker: Any, batch: int) -> np.ndarray | None:
    if not model.speaker_channels:
        if speaker is not None:
            raise ValueError(f"This network knows no speakers. Received: speaker={speaker}")
        return None
    if speaker is None:
        raise ValueError("This network needs a speaker. Received: speaker=None")
    speaker = np.asarray(speaker)
    if np.issubdtype(speaker.dtype, np.integer) and speaker.ndim < 2:
        return _speaker_numbers(model.num_speakers, np.broadcast_to(speaker, [batch]))
    if speaker.dtype.kind != "f" or speaker.shape[1:] != (model.speaker_channels,):
        raise ValueError(
            f"Expected a speaker number or vectors of shape [batch, {model.speaker_channels}]. "
            f"Received: dtype={speaker.dtype}, shape={speaker.shape}"
        )
    if not np.isfinite(speaker).all():
        raise ValueError("Expected finite speaker vectors. Received: NaN or infinity")
    return speaker.astype(np.float32)


def _speaker_numbers(speakers: int | None, numbers: np.ndarray) -> np.ndarray:
    if speakers is None:
        raise ValueError("This network takes speaker vectors. Received: speaker numbers")
    if numbers.min() < 0 or numbers.max() >= speakers:
        raise ValueError(
            f"Expected speaker numbers in 0 .. {speakers - 1}. Received: speaker={numbers.tolist()}"
        )
    return numbers.astype(np.int32)
