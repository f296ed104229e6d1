"""Generates utterances again from their mels and speakers, which is called copy synthesis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfwavenet.evaluation.utterances import Utterance, mel_of, speaker_of
from tfwavenet.models.audio_model import AudioModel


def generate_again(
    model: AudioModel, utterances: Sequence[Utterance], *, seed: int = 0, **options: Any
) -> list[np.ndarray]:
    """Generates every utterance again from its mel and its speaker.

    A model without features generates audio of the same length instead.

    Args:
        model: a model of `tfwavenet.models`.
        utterances: at least one utterance, with mel and speaker as the model takes them.
        seed: seed of the first utterance; the i-th utterance takes `seed + i`.
        **options: further arguments of the model's `generate`.

    Returns:
        float32 [samples] for each utterance, as long as its signal, in the domain of recordings.

    Raises:
        ValueError: If an utterance lacks what the model needs, or an option is out of range.
    """
    options["seed"] = [seed + index for index in range(len(utterances))]
    if model.speaker_channels:
        options["speaker"] = np.array([speaker_of(one) for one in utterances], np.int32)
    lengths = [len(one.signal) for one in utterances]
    if model.upsampler is None:
        audio = model.generate(samples=max(lengths), **options)
    else:
        audio = model.generate([mel_of(one) for one in utterances], **options)
    return [np.asarray(one[:length]) for one, length in zip(audio, lengths)]
