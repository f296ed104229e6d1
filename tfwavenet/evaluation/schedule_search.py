"""Searches a schedule of few steps to sample a trained diffusion model with."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Optional

import numpy as np

from tfwavenet.diffusion import NoiseSchedule
from tfwavenet.evaluation.copy_synthesis import generate_again
from tfwavenet.evaluation.synthesis import recordings
from tfwavenet.evaluation.utterances import Utterance
from tfwavenet.models.audio_model import AudioModel

# Where the first and the last step may lie, as shares of the training schedule; and how the steps
# between are spread: evenly in the logarithm of the signal-to-noise ratio at 1, denser towards the
# clean end above.
_FIRST = (0.0, 0.02, 0.06)
_LAST = (1.0, 0.9, 0.8)
_POWERS = (0.6, 0.8, 1.0, 1.3, 1.7)


class Candidate(NamedTuple):
    """A schedule, and the mean absolute error of the mels of the audio generated with it."""

    schedule: NoiseSchedule
    error: float


def candidates(training: NoiseSchedule, steps: int) -> Iterator[NoiseSchedule]:
    """Yields schedules of some steps on the range of a training schedule.

    Args:
        training: the schedule that the network was trained with.
        steps: number of steps, at most the number of `training`.

    Raises:
        ValueError: If `steps` is out of range.
    """
    training.shortened(steps)  # raises where `steps` is out of range
    seen = set()
    for first, last, power in itertools.product(_FIRST, _LAST, _POWERS):
        try:
            candidate = training.respaced(steps, first=first, last=last, power=power)
        except ValueError:  # variances that do not increase
            continue
        rounded = tuple(np.round(candidate.betas, 12))
        if rounded not in seen:
            seen.add(rounded)
            yield candidate


def search(
    model: AudioModel,
    utterances: Sequence[Utterance],
    *,
    steps: int,
    seed: int = 0,
    batch_size: int = 8,
    on_candidate: Optional[Callable[[Candidate], None]] = None,
) -> list[Candidate]:
    """Tries schedules of some steps on utterances.

    Every candidate makes the utterances again from their mels, with the same noise. Its error is
    the mean absolute difference between the compressed mels of generated and recorded audio.

    Args:
        model: a `DiffWave` with a recipe and features.
        utterances: the utterances, with mels; not the utterances that the model is tested on.
        steps: number of steps, at most the number of the training schedule.
        seed: seed of the first utterance; the i-th takes `seed + i`.
        batch_size: number of utterances generated together.
        on_candidate: called with each candidate as soon as its error is known.

    Returns:
        All candidates, the best first.

    Raises:
        ValueError: If the model has no features, there is no utterance, or `steps` is out of
            range.

    Source: the search for inference schedules of Chen et al., "WaveGrad", arXiv:2009.00713,
    appendix; the error is its log-mel spectrogram mean absolute error.
    """
    if model.upsampler is None:
        raise ValueError(
            "a schedule is searched by copy synthesis, which takes a model with features. "
            "Received: a model without"
        )
    if not utterances:
        raise ValueError("At least one utterance is expected. Received: utterances=[]")
    recipe = model.recipe.mel_recipe
    wanted = [recipe.compressed_mel(audio) for audio in recordings(utterances, recipe)]
    found = []
    for schedule in candidates(model.schedule, steps):
        made = generate_again(
            model, utterances, seed=seed, batch_size=batch_size, schedule=schedule
        )
        errors = [
            np.abs(recipe.compressed_mel(np.clip(audio, -1.0, 1.0)) - mel)
            for audio, mel in zip(made, wanted)
        ]
        found.append(Candidate(schedule, float(np.mean(np.concatenate(errors)))))
        if on_candidate is not None:
            on_candidate(found[-1])
    return sorted(found, key=lambda candidate: candidate.error)
