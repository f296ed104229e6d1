"""Makes held-out utterances again from their features, by the model and by baselines."""

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
from tfwavenet.evaluation.copy_synthesis import generate_again
from tfwavenet.evaluation.speed import Speedometer
from tfwavenet.evaluation.utterances import Utterance, mel_of
from tfwavenet.models import DiffWave, ParallelWaveNet
from tfwavenet.models.audio_model import AudioModel

_DIFFUSION_BATCH = 8
_FOLDING = ("fold_frames", "overlap_frames")


@dataclasses.dataclass(frozen=True)
class System:
    """A way to make utterances again, and what it made.

    Attributes:
        name: key of the system in reports.
        label: name for people.
        about: one sentence on how the audio was made.
        audio: float32 [samples] of every utterance, aligned with its recording.
        seconds: time that it took, compilation included.
        speed: speed of generation apart from compilation, for a model.
        comparable: whether it competes. A system that is given the recording itself does not.
    """

    name: str
    label: str
    about: str
    audio: list[np.ndarray]
    seconds: float
    comparable: bool = True
    speed: Optional[Speedometer] = None


def recordings(utterances: Sequence[Utterance], recipe: FeatureRecipe) -> list[np.ndarray]:
    """Returns the recordings of utterances, with the recipe's waveform chain undone.

    Args:
        utterances: the utterances.
        recipe: the recipe that they were prepared with.

    Returns:
        float32 [samples] each, clipped to [-1, 1].
    """
    return [_clipped(recipe.to_audio(one.signal)[0]) for one in utterances]


def batch_size_for(model: AudioModel, batch_size: Optional[int]) -> Optional[int]:
    """Returns how many utterances a model generates together.

    Args:
        model: the model.
        batch_size: the number that was asked for. If None, the model chooses the fastest one; a
            DiffWave, which would take all, takes 8, so that memory does not grow with them.
    """
    return _DIFFUSION_BATCH if batch_size is None and isinstance(model, DiffWave) else batch_size


def model_system(
    model: AudioModel,
    utterances: Sequence[Utterance],
    *,
    seed: int = 0,
    temperature: float = 1.0,
    sampling: Optional[Mapping[str, Any]] = None,
    batch_size: Optional[int] = None,
    name: str = "model",
    label: str = "Model",
) -> System:
    """Lets the model generate every utterance again, see `copy_synthesis.generate_again`.

    The i-th utterance takes the seed `seed + i`, whatever the batches are. A model without
    features generates audio of the same length instead, which does not compete.

    Args:
        model: a model with a recipe.
        utterances: the utterances.
        seed: seed of the first utterance.
        temperature: temperature of the sampling, as `generate` takes it.
        sampling: further arguments of `generate`.
        batch_size: number of utterances generated together, see `batch_size_for`.
        name: name of the system.
        label: label of the system.

    Raises:
        ValueError: If `batch_size` is below 1, or an utterance does not fit the model.
    """
    start, progress = time.monotonic(), _Progress(utterances, model.recipe.sample_rate)
    options: dict[str, Any] = {"temperature": temperature, **(sampling or {})}
    if isinstance(model, DiffWave):
        options["on_step"] = progress.speed.step
    generated = generate_again(
        model,
        utterances,
        seed=seed,
        batch_size=batch_size_for(model, batch_size),
        on_chunk=progress.add,
        **options,
    )
    conditional = model.upsampler is not None
    return System(
        name=name,
        label=label,
        about="generated from the mels" if conditional else "generated without conditions",
        audio=[_clipped(audio) for audio in generated],
        seconds=time.monotonic() - start,
        comparable=conditional,
        speed=progress.speed,
    )


class _Progress:
    """Logs the progress of generation at every tenth of it."""

    def __init__(self, utterances: Sequence[Utterance], sample_rate: int) -> None:
        self.speed = Speedometer()
        self._sample_rate = sample_rate
        self._total = sum(len(one.signal) for one in utterances)
        self._told = 0

    def add(self, audio: Sequence[np.ndarray]) -> None:
        """Counts the samples of a chunk."""
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
    utterances: Sequence[Utterance],
    recipe: FeatureRecipe,
    *,
    iterations: int = 60,
    seed: int = 0,
) -> System:
    """Makes utterances again by Griffin-Lim, from the same mels that the model is given.

    Args:
        utterances: the utterances, with mels.
        recipe: the recipe that they were prepared with.
        iterations: number of iterations of Griffin-Lim.
        seed: seed of the phases of the first utterance; the i-th takes `seed + i`.
    """
    start = time.monotonic()
    audio = [
        _clipped(griffin_lim.griffin_lim(mel_of(one), recipe, iterations=iterations, seed=seed + i))
        for i, one in enumerate(utterances)
    ]
    return System(
        name="griffin_lim",
        label="Griffin-Lim",
        about=f"{iterations} iterations from the same mels",
        audio=audio,
        seconds=time.monotonic() - start,
    )


def quantized_system(
    model: AudioModel, utterances: Sequence[Utterance], recipe: FeatureRecipe
) -> System:
    """Turns the recordings into the model's codes and back, which bounds what the model can do.

    Args:
        model: a model that works on codes.
        utterances: the utterances.
        recipe: the recipe that they were prepared with.
    """
    start = time.monotonic()
    codes = [model.codec.encode(tf.constant(one.signal, tf.float32)) for one in utterances]
    audio = [_clipped(recipe.to_audio(model.codec.decode(values).numpy())[0]) for values in codes]
    return System(
        name="quantized",
        label="Quantized",
        about=f"the recording as {model.distribution.classes} mu-law codes and back, the bound of this model",
        audio=audio,
        seconds=time.monotonic() - start,
        comparable=False,
    )


def systems(
    model: AudioModel,
    utterances: Sequence[Utterance],
    *,
    seed: int = 0,
    temperature: float = 1.0,
    sampling: Optional[Mapping[str, Any]] = None,
    batch_size: Optional[int] = None,
    griffin_lim_iterations: int = 60,
    others: Optional[Mapping[str, AudioModel]] = None,
) -> list[System]:
    """Runs all systems that make sense for a model: its own first, then further models.

    Args:
        model: a model with a recipe.
        utterances: the utterances.
        seed: seed of the first utterance, in every system.
        temperature: temperature of the model's sampling.
        sampling: further arguments of the model's `generate`. With `fold_frames` there are two
            systems of the model, one whole and one folded.
        batch_size: number of utterances generated together, see `batch_size_for`.
        griffin_lim_iterations: number of iterations of Griffin-Lim.
        others: further models by label. A student's teacher is one without being named.
    """
    given = dict(sampling or {})
    whole = {name: value for name, value in given.items() if name not in _FOLDING}
    options: dict[str, Any] = {"seed": seed, "temperature": temperature, "batch_size": batch_size}
    found = [model_system(model, utterances, sampling=whole, **options)]
    if whole != given:
        options.update(name="folded", label="Folded")
        found.append(model_system(model, utterances, sampling=given, **options))
    beside = dict(others or {})
    if isinstance(model, ParallelWaveNet) and model.teacher is not None:
        beside["Teacher"] = model.teacher
    for label, other in beside.items():
        options.update(name=label.lower().replace(" ", "_"), label=label)
        # What is chosen for a model need not be known to one of another class.
        same = whole if type(other) is type(model) else None
        found.append(model_system(other, utterances, sampling=same, **options))
    if model.upsampler is not None and model.recipe.features == "mel":
        logging.info("evaluation: Griffin-Lim for %d utterances", len(utterances))
        found.append(
            griffin_lim_system(
                utterances, model.recipe, iterations=griffin_lim_iterations, seed=seed
            )
        )
    if model.codec.num_codes:
        found.append(quantized_system(model, utterances, model.recipe))
    return found


def _clipped(audio: np.ndarray) -> np.ndarray:
    """Clips audio to [-1, 1], the range of a file, so that what is measured is what is heard."""
    return np.clip(np.asarray(audio, np.float32), -1.0, 1.0)
