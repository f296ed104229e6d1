"""Windows of conditioning: what one chunk needs of the features around it."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from tfwavenet.generation.request import Request


class Windows:
    """Cuts the conditioning of a request into windows of whole frames.

    Args:
        model: the network, of which the `upsampler` says what context a window needs.
        request: the utterances.
    """

    def __init__(self, model: Any, request: Request) -> None:
        self._speaker = request.speaker
        self._mels: Any = None
        self.hop_samples = 1
        if request.mels is None:
            return
        upsampler = model.upsampler
        self.hop_samples = upsampler.hop_samples
        self._left = upsampler.left_context_frames
        self._right = upsampler.right_context_frames
        self._padding = upsampler.padding_frames
        self._lengths = np.array([len(mel) for mel in request.mels])
        self._mels = self._stacked(request.mels)

    def _stacked(self, mels: list[np.ndarray]) -> np.ndarray:
        """[batch, context + padding + frames + padding + context, channels].

        Each utterance is extended by copies of its first and of its last frame, as the input of a
        network that takes padding frames is defined; beyond them are zeros.
        """
        frames = max(len(mel) for mel in mels)
        rows = []
        for mel in mels:
            extended = np.pad(mel, ((self._padding, self._padding), (0, 0)), mode="edge")
            behind = frames - len(mel) + self._right
            rows.append(np.pad(extended, ((self._left, behind), (0, 0))))
        return np.stack(rows)

    def window(self, first_sample: int, samples: int) -> dict[str, tf.Tensor]:
        """The conditioning of a stretch of samples, in the form that the models' methods take.

        Args:
            first_sample: where the stretch begins, at a frame.
            samples: its length, of whole frames; it may reach beyond the ends of the utterances.

        Returns:
            `"mel"`, `"mask"` and `"speaker"`, as far as the network takes them.
        """
        window = {} if self._speaker is None else {"speaker": tf.constant(self._speaker)}
        if self._mels is not None:
            first, frames = first_sample // self.hop_samples, samples // self.hop_samples
            window.update(self._features(first, frames))
        return window

    def _features(self, first: int, frames: int) -> dict[str, tf.Tensor]:
        length = self._left + frames + self._right
        before, stop = max(0, -first), first + length + 2 * self._padding
        mel = self._mels[:, max(0, first) : max(0, stop)]
        behind = stop - first - before - mel.shape[1]
        mel = np.pad(mel, ((0, 0), (before, behind), (0, 0)))
        index = np.arange(length) + first - self._left
        mask = (index >= 0) & (index < self._lengths[:, np.newaxis])
        return {"mel": tf.constant(mel), "mask": tf.constant(mask)}
