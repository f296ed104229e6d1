"""Windows of conditioning: what one chunk needs of the features around it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfwavenet.generation.protocols import GenerativeModel
from tfwavenet.generation.request import Request
from tfwavenet.layers import Upsampler


def window_of(
    upsampler: Upsampler,
    mel: tf.Tensor,
    frames: tf.Tensor | int,
    first: tf.Tensor | int,
    count: tf.Tensor | int,
    *,
    dropped: tf.Tensor | int = 0,
) -> dict[str, tf.Tensor]:
    """Cuts the features around a stretch of frames, which may reach beyond both ends.

    An utterance is extended by padding frames, copies of its first and of its last frame. Beyond
    the padding frames are zeros.

    Args:
        upsampler: the upsampler of the model, which says how much context a window needs.
        mel: float32 [batch, kept, channels]; what the window needs must be among these frames.
        frames: int32 [] or [batch], number of frames of each utterance so far.
        first: int32 [] or [batch], frame at which the stretch begins; may be negative.
        count: length of the stretch in frames.
        dropped: number of frames of the utterance before the first frame of `mel`.

    Returns:
        `"mel"`: float32 [batch, left + count + right + 2 * padding_frames, channels], and
        `"mask"`: bool [batch, left + count + right], True inside the utterance, where left and
        right are the context frames of the upsampler.
    """
    left, padding = upsampler.left_context_frames, upsampler.padding_frames
    context = left + upsampler.right_context_frames
    shape = [tf.shape(mel)[0], 1]
    frames, first = (
        tf.broadcast_to(tf.reshape(tf.cast(n, tf.int32), [-1, 1]), shape) for n in (frames, first)
    )
    index = first - left + tf.range(context + count)
    mask = (index >= 0) & (index < frames)
    index = first - left - padding + tf.range(context + count + 2 * padding)
    exists = (index >= -padding) & (index < frames + padding)
    rows = tf.minimum(tf.maximum(index, 0), frames - 1) - dropped
    cut = tf.gather(mel, tf.where(exists, rows, 0), axis=1, batch_dims=1)
    return {"mel": tf.where(exists[..., tf.newaxis], cut, 0.0), "mask": mask}


class Windows:
    """Cuts the conditioning of a request into windows of whole frames.

    Args:
        model: the model, whose `upsampler` says how much context a window needs.
        request: the utterances.

    Shapes: a window is a dictionary of `"mel"` [batch, frames, n_mels], `"mask"` [batch, frames]
        and `"speaker"` [batch], each where the model has it.
    """

    def __init__(self, model: GenerativeModel, request: Request) -> None:
        self._upsampler = model.upsampler
        self._speaker = request.speaker
        self._batch = len(request.samples)
        self._mels = [tf.constant(mel[np.newaxis]) for mel in request.mels or ()]
        self.hop_samples = 1 if model.upsampler is None else model.upsampler.hop_samples

    def window(
        self,
        first_sample: int | np.ndarray,
        samples: int,
        utterances: Sequence[int] | None = None,
    ) -> dict[str, tf.Tensor]:
        """Returns the conditioning of a stretch of samples.

        Args:
            first_sample: sample at which the stretch begins, at a frame; one for all utterances,
                or one for each.
            samples: length of the stretch, of whole frames; the stretch may reach beyond the ends
                of the utterances.
            utterances: numbers of the utterances. If None, all.

        Returns:
            `"mel"`, `"mask"` and `"speaker"`, each where the model takes it.
        """
        chosen = list(range(self._batch) if utterances is None else utterances)
        window = {} if self._speaker is None else {"speaker": tf.constant(self._speaker[chosen])}
        if self._upsampler is not None:
            starts = np.broadcast_to(first_sample, [len(chosen)]) // self.hop_samples
            count = samples // self.hop_samples
            parts = [
                window_of(self._upsampler, mel, mel.shape[1], int(start), count)
                for mel, start in zip((self._mels[number] for number in chosen), starts)
            ]
            window.update({name: tf.concat([p[name] for p in parts], 0) for name in parts[0]})
        return window


def bucket(frames: int | tf.Tensor) -> tf.Tensor:
    """Rounds a number of frames up to one of 16 sizes per octave, each of which is compiled once.

    Args:
        frames: int or int32 [], positive.

    Returns:
        int32 [].
    """
    frames = tf.cast(frames, tf.int32)
    is_reached = frames >= tf.bitwise.left_shift(1, tf.range(5, 31))
    unit = tf.bitwise.left_shift(1, tf.reduce_sum(tf.cast(is_reached, tf.int32)))
    return -(-frames // unit) * unit
