"""Copy synthesis: held-out recordings made again from their features, by model and baselines."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Any, Optional

import numpy as np
import tensorflow as tf
from absl import logging

from tfwavenet.audio import griffin_lim
from tfwavenet.audio.features import FeatureRecipe
from tfwavenet.evaluation.clips import Clip, mel_of, speaker_of
from tfwavenet.evaluation.speed import Speedometer
from tfwavenet.models import DiffWave, ParallelWaveNet

_FOLDING = ("fold_frames", "overlap_frames")


@dataclasses.dataclass(frozen=True)
class System:
    """A way to make recordings again.

    Attributes:
        name: its key in reports.
        label: for people.
        about: one sentence on how it was made.
        audio: float32 [samples] of every recording, aligned with it.
        seconds: time that it took, compilation included.
        speed: of generation apart from compilation, for a model.
        comparable: whether it competes; not a system that is given the recording itself.
    """

    name: str
    label: str
    about: str
    audio: list[np.ndarray]
    seconds: float
    comparable: bool = True
    speed: Optional[Speedometer] = None


def recordings(clips: Sequence[Clip], recipe: FeatureRecipe) -> list[np.ndarray]:
    """The recordings as they sound: the recipe's waveform chain undone.

    Args:
        clips: the recordings.
        recipe: the one they were prepared with.

    Returns:
        float32 [samples] each, clipped to [-1, 1].
    """
    return [_audible(recipe.to_audio(clip.signal)[0]) for clip in clips]


def model_system(
    model: Any,
    clips: Sequence[Clip],
    *,
    seed: int = 0,
    temperature: float = 1.0,
    sampling: Optional[Mapping[str, Any]] = None,
    batch_size: int = 8,
    name: str = "model",
    label: str = "Model",
) -> System:
    """Lets the model generate every recording from its mel and speaker.

    The i-th recording takes the seed `seed + i`, whatever the batches are. A model without
    features generates something of the same length instead, which does not compete.

    Args:
        model: an `AudioModel` with a recipe.
        clips: the recordings.
        seed: of the first recording.
        temperature: as `generate` takes it.
        sampling: its further arguments.
        batch_size: recordings generated together.
        name: of the system.
        label: of the system.

    Raises:
        ValueError: if `batch_size` is below 1, or a recording does not fit the model.
    """
    start, progress = time.monotonic(), _Progress(clips, model.recipe.sample_rate)
    options: dict[str, Any] = {"temperature": temperature, **(sampling or {})}
    if isinstance(model, DiffWave):
        options["on_step"] = progress.speed.step
    if model.speaker_channels:
        options["speaker"] = np.array([speaker_of(clip) for clip in clips])
    conditional = model.upsampler is not None
    generated = model.generate(
        [mel_of(clip) for clip in clips] if conditional else None,
        samples=None if conditional else max(len(clip.signal) for clip in clips),
        seed=[seed + index for index in range(len(clips))],
        batch_size=batch_size,
        on_chunk=progress.add,
        **options,
    )
    return System(
        name=name,
        label=label,
        about="generated from the mels" if conditional else "generated without conditions",
        audio=[_audible(audio[: len(clip.signal)]) for audio, clip in zip(generated, clips)],
        seconds=time.monotonic() - start,
        comparable=conditional,
        speed=progress.speed,
    )


class _Progress:
    """Tells how far the generation of recordings is, at every tenth of it."""

    def __init__(self, clips: Sequence[Clip], sample_rate: int) -> None:
        self.speed = Speedometer()
        self._sample_rate = sample_rate
        self._total = sum(len(clip.signal) for clip in clips)
        self._told = 0

    def add(self, audio: Sequence[np.ndarray]) -> None:
        """To be called with each chunk."""
        self.speed.add(audio)
        tenths = min(10, 10 * self.speed.samples // self._total)
        if tenths > self._told:
            self._told = tenths
            logging.info(
                "evaluation: generated %d %%, %s",
                10 * tenths,
                self.speed.describe(self._sample_rate),
            )


def griffin_lim_system(
    clips: Sequence[Clip], recipe: FeatureRecipe, *, iterations: int = 60, seed: int = 0
) -> System:
    """Griffin-Lim from the very mels that the model is given.

    Args:
        clips: the recordings, with mels.
        recipe: the one they were prepared with.
        iterations: of Griffin-Lim.
        seed: of the phases of the first recording; the i-th takes `seed + i`.
    """
    start = time.monotonic()
    audio = [
        _audible(
            griffin_lim.griffin_lim(mel_of(clip), recipe, iterations=iterations, seed=seed + i)
        )
        for i, clip in enumerate(clips)
    ]
    return System(
        name="griffin_lim",
        label="Griffin-Lim",
        about=f"{iterations} iterations from the same mels",
        audio=audio,
        seconds=time.monotonic() - start,
    )


def quantised_system(model: Any, clips: Sequence[Clip], recipe: FeatureRecipe) -> System:
    """The recordings through the model's own codes and back: the best that it can do.

    Args:
        model: one that works on codes.
        clips: the recordings.
        recipe: the one they were prepared with.
    """
    start = time.monotonic()
    codes = [model.to_values(tf.constant(clip.signal, tf.float32)) for clip in clips]
    audio = [_audible(recipe.to_audio(model.codec.decode(values).numpy())[0]) for values in codes]
    return System(
        name="quantized",
        label="Quantized",
        about=f"the recording as {model.distribution.classes} mu-law codes and back, the bound of this model",
        audio=audio,
        seconds=time.monotonic() - start,
        comparable=False,
    )


def systems(
    model: Any,
    clips: Sequence[Clip],
    *,
    seed: int = 0,
    temperature: float = 1.0,
    sampling: Optional[Mapping[str, Any]] = None,
    batch_size: int = 8,
    griffin_lim_iterations: int = 60,
) -> list[System]:
    """All systems that make sense for a model, its own first, then the teacher of a student.

    Args:
        model: an `AudioModel` with a recipe.
        clips: the recordings.
        seed: of the first recording, in every system.
        temperature: of the model.
        sampling: further arguments of its `generate`. With `fold_frames` there are two systems of
            the model, one whole and one folded.
        batch_size: recordings that the model generates together.
        griffin_lim_iterations: of the baseline.
    """
    given = dict(sampling or {})
    whole = {name: value for name, value in given.items() if name not in _FOLDING}
    options: dict[str, Any] = {"seed": seed, "temperature": temperature, "batch_size": batch_size}
    found = [model_system(model, clips, sampling=whole, **options)]
    if whole != given:
        options.update(name="folded", label="Folded")
        found.append(model_system(model, clips, sampling=given, **options))
    if isinstance(model, ParallelWaveNet):
        options.update(name="teacher", label="Teacher")
        found.append(model_system(model.teacher, clips, **options))
    if model.upsampler is not None:
        logging.info("evaluation: Griffin-Lim for %d utterances", len(clips))
        found.append(
            griffin_lim_system(clips, model.recipe, iterations=griffin_lim_iterations, seed=seed)
        )
    if model.takes_codes:
        found.append(quantised_system(model, clips, model.recipe))
    return found


def _audible(audio: np.ndarray) -> np.ndarray:
    """Clips to what a file can hold, so that what is measured is what is heard."""
    return np.clip(np.asarray(audio, np.float32), -1.0, 1.0)
