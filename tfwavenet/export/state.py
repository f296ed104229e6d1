"""Conversion of the state of a stream to one string, which the client keeps between requests.

    digest of the rest, 20 decimal digits | a serialized uint8 tensor: the bytes of all leaves

The key of the digest is derived from the model. So a string of another model, or a damaged string,
is refused before its content is parsed.
"""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from tfwavenet.export import checks

_DIGITS = 20
_BUCKETS = 2**63 - 1


class StateCodec:
    """Packs states of one structure into strings, and unpacks the strings.

    Args:
        spec: nest of `tf.TensorSpec`. A size of None in a shape is the batch size.
        fingerprint: hexadecimal fingerprint of the model.

    Shapes: a state is a nest of [batch, ...], packed it is a string [].
    """

    def __init__(self, spec: Any, fingerprint: str) -> None:
        self._spec = spec
        self._leaves = tf.nest.flatten(spec)
        self._key = [int(fingerprint[first : first + 15], 16) for first in (0, 15)]

    def pack(self, state: Any) -> tf.Tensor:
        """Packs a state into a string []."""
        leaves = [_to_bytes(leaf) for leaf in tf.nest.flatten(state)]
        content = tf.io.serialize_tensor(tf.concat(leaves, axis=0))
        return tf.strings.join([self._digest(content), content])

    def unpack(self, packed: tf.Tensor) -> tuple[Any, tf.Tensor]:
        """Unpacks a string of `pack`, and refuses all other strings.

        Args:
            packed: string [], the result of `pack`.

        Returns:
            The state, and its batch size, int32 [].
        """
        long_enough = checks.require(tf.strings.length(packed) >= _DIGITS, _REFUSAL)
        packed = checks.after([long_enough], packed)
        digest = tf.strings.substr(packed, 0, _DIGITS)
        content = tf.strings.substr(packed, _DIGITS, 2**31 - 1)
        is_ours = checks.require(digest == self._digest(content), _REFUSAL)
        payload = tf.io.parse_tensor(checks.after([is_ours], content), tf.uint8)
        payload = tf.ensure_shape(payload, [None])
        fixed, per_stream = (sum(_sizes(leaf)[i] for leaf in self._leaves) for i in (0, 1))
        batch = (tf.size(payload) - fixed) // per_stream
        sizes = [_sizes(leaf)[0] + _sizes(leaf)[1] * batch for leaf in self._leaves]
        parts = tf.split(payload, tf.stack(sizes), num=len(sizes))
        leaves = [_from_bytes(part, leaf, batch) for part, leaf in zip(parts, self._leaves)]
        return tf.nest.pack_sequence_as(self._spec, leaves), batch

    def _digest(self, content: tf.Tensor) -> tf.Tensor:
        number = tf.strings.to_hash_bucket_strong(content, _BUCKETS, self._key)
        return tf.strings.as_string(number, width=_DIGITS, fill="0")


_REFUSAL = "Expected state_bytes that this model returned. Received: other bytes"


def _sizes(leaf: tf.TensorSpec) -> tuple[int, int]:
    """Returns the bytes of a leaf that are independent of the batch, and the bytes per stream."""
    size = leaf.dtype.size * math.prod(n for n in leaf.shape if n is not None)
    return (0, size) if None in leaf.shape else (size, 0)


def _to_bytes(leaf: tf.Tensor) -> tf.Tensor:
    return tf.reshape(tf.bitcast(leaf, tf.uint8), [-1])


def _from_bytes(part: tf.Tensor, leaf: tf.TensorSpec, batch: tf.Tensor) -> tf.Tensor:
    shape = [batch if size is None else size for size in leaf.shape]
    tensor = tf.bitcast(tf.reshape(part, [*shape, leaf.dtype.size]), leaf.dtype)
    return tf.ensure_shape(tensor, leaf.shape)
