"""Finding a schedule of few steps to sample a trained diffusion model with."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Optional

import numpy as np

from tfwavenet.diffusion import NoiseSchedule
from tfwavenet.evaluation import synthesis
from tfwavenet.evaluation.clips import Clip

# Where the first and the last step may lie, as shares of the training schedule; and how the steps
# between are spread: evenly in the logarithm of the signal-to-noise ratio at 1, denser towards the
# clean end above.
_FIRST = (0.0, 0.02, 0.06)
_LAST = (1.0, 0.9, 0.8)
_POWERS = (0.6, 0.8, 1.0, 1.3, 1.7)


class Candidate(NamedTuple):
    """A schedule, and the mean absolute error of the mels of what it made."""

    schedule: NoiseSchedule
    error: float


def candidates(training: NoiseSchedule, steps: int) -> Iterator[NoiseSchedule]:
    """Schedules of some steps on the range of a training schedule.

    Args:
        training: the schedule that the network was trained with.
        steps: how many steps, from 1 to those of `training`.

    Raises:
        ValueError: if `steps` is out of range.
    """
    known = len(training.betas)
    if not 1 <= steps <= known:
        raise ValueError(f"steps must be from 1 to {known}. Received: steps={steps}")
    signal = training.signal_levels**2
    log_snr = np.log(signal) - np.log1p(-signal)
    seen = set()
    for first, last, power in itertools.product(_FIRST, _LAST, _POWERS):
        ends = log_snr[round(first * (known - 1))], log_snr[round(last * (known - 1))]
        place = np.linspace(0.0, 1.0, steps) ** power if steps > 1 else np.ones(1)
        kept = 1.0 / (1.0 + np.exp(-(ends[0] + (ends[1] - ends[0]) * place)))
        betas = tuple((1.0 - kept / np.concatenate([[1.0], kept[:-1]])).tolist())
        rounded = tuple(np.round(betas, 12))
        increasing = all(one < other for one, other in zip(betas, betas[1:]))
        if increasing and rounded not in seen:
            seen.add(rounded)
            yield NoiseSchedule(betas)


def search(
    model: Any,
    clips: Sequence[Clip],
    *,
    steps: int,
    seed: int = 0,
    batch_size: int = 8,
    on_candidate: Optional[Callable[[Candidate], None]] = None,
) -> list[Candidate]:
    """Tries schedules of some steps on recordings.

    Every candidate makes the recordings again from their features, with the same noise. It is
    judged by the mean absolute difference of the compressed mels, generated and recorded.

    Args:
        model: a `DiffWave` with a recipe and features.
        clips: the recordings, with mels; not those that the model is tested on.
        steps: how many steps, from 1 to those of the training schedule.
        seed: of the first recording.
        batch_size: recordings generated together.
        on_candidate: called with each as soon as it is known.

    Returns:
        All candidates, the best first.

    Raises:
        ValueError: if the model has no features, there is no recording, or `steps` is out of
            range.

    Source: the search for inference schedules of Chen et al., "WaveGrad", arXiv:2009.00713,
    appendix; the error is its log-mel spectrogram mean absolute error.
    """
    if model.upsampler is None:
        raise ValueError(
            "a schedule is searched by making recordings again, which takes a model with features. "
            "Received: a model without"
        )
    if not clips:
        raise ValueError("At least one recording is expected. Received: utterances=[]")
    recipe = model.recipe
    wanted = [recipe.compressed_mel(audio) for audio in synthesis.recordings(clips, recipe)]
    found = []
    for schedule in candidates(model.schedule, steps):
        made = synthesis.model_system(
            model, clips, seed=seed, batch_size=batch_size, sampling={"schedule": schedule}
        )
        errors = [
            np.abs(recipe.compressed_mel(audio) - mel) for audio, mel in zip(made.audio, wanted)
        ]
        found.append(Candidate(schedule, float(np.mean(np.concatenate(errors)))))
        if on_candidate is not None:
            on_candidate(found[-1])
    return sorted(found, key=lambda candidate: candidate.error)
