"""Windows of conditioning: what one chunk needs of the features around it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfwavenet.generation.request import Request


class Features:
    """The features of one utterance, all at once or as they arrive.

    The utterance is extended by copies of its first and of its last frame, as the input of a
    network that takes padding frames is defined; beyond them are zeros.

    Args:
        upsampler: that of the network; it says what context a window needs.
        channels: of the features.

    Attributes:
        kept: float32 [frames, channels], the latest ones.
        dropped: number of frames before those.
    """

    def __init__(self, upsampler: Any, channels: int) -> None:
        self._left = upsampler.left_context_frames
        self._right = upsampler.right_context_frames
        self._padding = upsampler.padding_frames
        self.kept = np.zeros([0, channels], np.float32)
        self.dropped = 0

    @property
    def frames(self) -> int:
        """Number of frames so far."""
        return self.dropped + len(self.kept)

    @property
    def look_ahead(self) -> int:
        """How many frames beyond its own a window needs before it can be cut."""
        return self._right + self._padding

    def append(self, mel: np.ndarray) -> None:
        """Takes further frames [frames, channels]."""
        self.kept = np.concatenate([self.kept, mel])

    def restore(self, kept: np.ndarray, dropped: int) -> None:
        """Takes the place of features that were saved."""
        self.kept, self.dropped = kept, dropped

    def drop(self, first: int) -> None:
        """Forgets what no window from the frame `first` on needs."""
        unused = max(0, first - self._left - self._padding) - self.dropped
        if unused > 0:
            self.kept = self.kept[unused:].copy()
            self.dropped += unused

    def window(self, first: int, frames: int) -> tuple[np.ndarray, np.ndarray]:
        """The features around a stretch of frames, which may reach beyond the ends.

        Returns:
            float32 [left context + padding + frames + padding + right context, channels], and
            bool [left context + frames + right context], True inside the utterance.
        """
        index = np.arange(first - self._left, first + frames + self._right)
        mask = (index >= 0) & (index < self.frames)
        padding = self._padding
        index = np.arange(index[0] - padding, index[-1] + 1 + padding)
        exists = (index >= -padding) & (index < self.frames + padding)
        rows = np.clip(index, 0, self.frames - 1) - self.dropped
        return np.where(exists[:, np.newaxis], self.kept[np.where(exists, rows, 0)], 0), mask


class Windows:
    """Cuts the conditioning of a request into windows of whole frames.

    Args:
        model: the network, of which the `upsampler` says what context a window needs.
        request: the utterances.
    """

    def __init__(self, model: Any, request: Request) -> None:
        self._speaker = request.speaker
        self._batch = len(request.samples)
        self._features: list[Features] = []
        self.hop_samples = 1 if model.upsampler is None else model.upsampler.hop_samples
        for mel in request.mels or ():
            features = Features(model.upsampler, mel.shape[1])
            features.append(mel)
            self._features.append(features)

    def window(
        self,
        first_sample: int | np.ndarray,
        samples: int,
        utterances: Sequence[int] | None = None,
    ) -> dict[str, tf.Tensor]:
        """The conditioning of a stretch of samples, in the form that the models' methods take.

        Args:
            first_sample: where the stretch begins, at a frame; one, or one per utterance.
            samples: its length, of whole frames; it may reach beyond the ends of the utterances.
            utterances: numbers of the utterances; None for all.

        Returns:
            `"mel"`, `"mask"` and `"speaker"`, as far as the network takes them.
        """
        chosen = list(range(self._batch) if utterances is None else utterances)
        window = {} if self._speaker is None else {"speaker": tf.constant(self._speaker[chosen])}
        if self._features:
            starts = np.broadcast_to(first_sample, [len(chosen)]) // self.hop_samples
            frames = samples // self.hop_samples
            window.update(
                stacked(
                    self._features[utterance].window(int(first), frames)
                    for utterance, first in zip(chosen, starts)
                )
            )
        return window


def stacked(windows: Any) -> dict[str, tf.Tensor]:
    """`"mel"` and `"mask"` of a batch of windows of `Features`."""
    mels, masks = zip(*windows)
    return {"mel": tf.constant(np.stack(mels)), "mask": tf.constant(np.stack(masks))}


def window_of(
    upsampler: Any, latest: tf.Tensor, frames: tf.Tensor, first: tf.Tensor, count: int | tf.Tensor
) -> dict[str, tf.Tensor]:
    """What `Features.window` gives, for a batch and as a graph.

    Args:
        upsampler: that of the network.
        latest: float32 [batch, kept, channels], the last frames so far; what the window needs
            must be among them.
        frames: int32 [], number of frames so far, of which the last is the last of `latest`.
        first: int32 [], where the stretch begins; it may be negative.
        count: its length in frames.

    Returns:
        `"mel"` and `"mask"`, as `stacked` gives them.
    """
    left, padding = upsampler.left_context_frames, upsampler.padding_frames
    context = left + upsampler.right_context_frames
    index = first - left + tf.range(context + count)
    mask = (index >= 0) & (index < frames)
    index = first - left - padding + tf.range(context + count + 2 * padding)
    exists = (index >= -padding) & (index < frames + padding)
    rows = tf.clip_by_value(index, 0, frames - 1) - (frames - tf.shape(latest)[1])
    mel = tf.gather(latest, tf.where(exists, rows, 0), axis=1)
    return {
        "mel": tf.where(exists[:, tf.newaxis], mel, 0.0),
        "mask": tf.tile(mask[tf.newaxis], [tf.shape(latest)[0], 1]),
    }


def bucket(frames: int) -> int:
    """`frames`, rounded up to one of 16 sizes per octave, of which each is compiled once."""
    unit = max(1, 2 ** (frames.bit_length() - 5))
    return -(-frames // unit) * unit
