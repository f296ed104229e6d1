"""Random numbers as pure functions of a seed: the only module that calls `tf.random`.

A seed is an int32 tensor of shape [2]. No function keeps state: equal seeds always give equal
numbers, in eager mode, in a graph and under XLA. All numbers are derived from the integer outputs
of Philox4x32-10. Integers are equal to the bit everywhere; the floats of `tf.random.stateless_*`
are not.

Split or fold a seed before using it for a second purpose; never draw twice from one seed.

Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC (2011).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Union

import tensorflow as tf

from tfwavenet import checks

_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_KEY_INCREMENTS = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
_WORDS = 4
_MAX_SEED = 2**63

Shape = Union[Sequence[int], tf.Tensor]


def make_seed(seed: int) -> tf.Tensor:
    """Turns a Python integer into a seed tensor.

    Args:
        seed: int, -2**63 to 2**63 - 1. Different integers give different seeds.

    Returns:
        int32 [2], the low and the high 32 bits.

    Raises:
        ValueError: if `seed` is not an integer in this range.
    """
    value = checks.whole_number("seed", seed, -_MAX_SEED, _MAX_SEED - 1)
    words = tf.constant([value & 0xFFFFFFFF, (value >> 32) & 0xFFFFFFFF], tf.uint32)
    return tf.bitcast(words, tf.int32)


def fold_in(seed: tf.Tensor, data: int | tf.Tensor) -> tf.Tensor:
    """Derives a new seed from a seed and an integer such as a step number.

    Args:
        seed: int32 [2].
        data: int or integer scalar tensor; its low 32 bits are used.

    Returns:
        int32 [2].
    """
    data = tf.cast(data, tf.int32)
    return tf.random.experimental.stateless_fold_in(seed, data, alg="philox")


def split(seed: tf.Tensor, num: int) -> tf.Tensor:
    """Derives `num` independent seeds from a seed.

    Args:
        seed: int32 [2].
        num: number of seeds, at least 1.

    Returns:
        int32 [num, 2].
    """
    return tf.random.experimental.stateless_split(seed, num=num, alg="philox")


def _multiply(word: tf.Tensor, multiplier: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the high and the low uint32 half of the 64-bit product."""
    product = tf.cast(word, tf.uint64) * tf.constant(multiplier, tf.uint64)
    high = tf.bitwise.right_shift(product, tf.constant(32, tf.uint64))
    return tf.cast(high, tf.uint32), tf.cast(product, tf.uint32)


def _philox(counter: Sequence[tf.Tensor], key: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Computes Philox4x32-10 of four counter and two key words, which broadcast (all uint32)."""
    x0, x1, x2, x3 = counter
    for index in range(_ROUNDS):
        k0, k1 = (
            word + tf.constant(index * step & 0xFFFFFFFF, tf.uint32)
            for word, step in zip(key, _KEY_INCREMENTS)
        )
        high0, low0 = _multiply(x0, _MULTIPLIERS[0])
        high1, low1 = _multiply(x2, _MULTIPLIERS[1])
        x0, x1 = tf.bitwise.bitwise_xor(tf.bitwise.bitwise_xor(high1, x1), k0), low1
        x2, x3 = tf.bitwise.bitwise_xor(tf.bitwise.bitwise_xor(high0, x3), k1), low0
    return [x0, x1, x2, x3]


def _interleave(words: Sequence[tf.Tensor]) -> tf.Tensor:
    """Joins four uint32 [..., n] into [..., 4 * n], word by word.

    Packing pairs into uint64 first halves the time under XLA, which computes a stack by computing
    every operand again for every element.
    """
    low0, high0, low1, high1 = (tf.cast(word, tf.uint64) for word in words)
    shift = tf.constant(32, tf.uint64)
    pairs = [
        tf.bitwise.bitwise_or(low, tf.bitwise.left_shift(high, shift))
        for low, high in ((low0, high0), (low1, high1))
    ]
    unpacked = tf.bitcast(tf.stack(pairs, axis=-1), tf.uint32)
    return tf.reshape(unpacked, tf.concat([tf.shape(low0)[:-1], [-1]], axis=0))


def _open_unit(bits: tf.Tensor) -> tf.Tensor:
    """Maps uint32 to float32 in (0, 1), exactly: the 2**23 midpoints of equal intervals.

    With 24 bits instead of 23 the largest value would round to 1.
    """
    mantissa = tf.bitwise.right_shift(bits, tf.constant(9, tf.uint32))
    return tf.cast(mantissa, tf.float32) * 2.0**-23 + 2.0**-24


def uniform_stream(
    seeds: tf.Tensor, start: tf.Tensor, count: int | tf.Tensor, width: int
) -> tf.Tensor:
    """Draws a stretch of a stream of uniforms in which every position has an address.

    Row `i` of the result depends on its seed and on the absolute position `start + i` only. So a
    stream has equal bits in chunks of any size, alone or in any batch. The Philox counter is
    (position low, position high, block of four columns, 0), and the key is the seed.

    Args:
        seeds: int32 [batch, 2], one stream per row.
        start: int64 scalar or [batch], position of the first row, at least 0.
        count: number of positions, at least 1; an integer, or an integer scalar tensor, which is
            not checked.
        width: uniforms per position, at least 1.

    Returns:
        float32 [batch, count, width], in the open interval (0, 1).

    Raises:
        ValueError: if `count` or `width` is below 1.
    """
    if (not tf.is_tensor(count) and count < 1) or width < 1:
        raise ValueError(
            f"count and width must be at least 1. Received: count={count}, width={width}"
        )
    key = tf.bitcast(seeds, tf.uint32)[:, tf.newaxis, tf.newaxis, :]
    start = tf.reshape(tf.cast(start, tf.int64), [-1, 1, 1])
    positions = start + tf.reshape(tf.range(tf.cast(count, tf.int64)), [1, -1, 1])
    positions = tf.bitcast(positions, tf.uint32)
    blocks = tf.bitcast(tf.range(math.ceil(width / _WORDS)), tf.uint32)
    counter = (
        positions[..., 0],
        positions[..., 1],
        blocks[tf.newaxis, tf.newaxis, :],
        tf.zeros([1, 1, 1], tf.uint32),
    )
    words = _philox(counter, (key[..., 0], key[..., 1]))
    return _open_unit(_interleave(words)[:, :, :width])


def normal_stream(seeds: tf.Tensor, start: tf.Tensor, count: int | tf.Tensor) -> tf.Tensor:
    """Draws a stretch of a stream of standard normals, see `uniform_stream` and `normal`.

    Args:
        seeds: int32 [batch, 2], one stream per row.
        start: int64 scalar or [batch], position of the first number, at least 0.
        count: number of values, as `uniform_stream` takes it.

    Returns:
        float32 [batch, count].
    """
    return _box_muller(*tf.unstack(uniform_stream(seeds, start, count, 2), 2, axis=-1))


def _box_muller(radius: tf.Tensor, angle: tf.Tensor) -> tf.Tensor:
    return tf.sqrt(-2.0 * tf.math.log(radius)) * tf.cos((2.0 * math.pi) * angle)


def _bits(shape: Shape, seed: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Draws `shape` integers over the full range of `dtype` (uint32 or uint64)."""
    return tf.random.stateless_uniform(
        shape, seed, minval=None, maxval=None, dtype=dtype, alg="philox"
    )


def uniform(shape: Shape, seed: tf.Tensor) -> tf.Tensor:
    """Draws uniforms in the open interval (0, 1).

    Args:
        shape: shape of the result, integers or an integer tensor.
        seed: int32 [2].

    Returns:
        float32 of shape `shape`; the same bits in eager, graph and XLA.
    """
    return _open_unit(_bits(shape, seed, tf.uint32))


def normal(shape: Shape, seed: tf.Tensor) -> tf.Tensor:
    """Draws standard normals by the Box-Muller transform of uniforms.

    Args:
        shape: shape of the result, integers or an integer tensor.
        seed: int32 [2].

    Returns:
        float32 of shape `shape`, at most 5.8 in magnitude; equal in eager, graph and XLA up to
        the rounding of the logarithm and the cosine (about 1e-6).
    """
    return _box_muller(*tf.unstack(uniform(tf.concat([[2], shape], axis=0), seed)))


def randint(shape: Shape, seed: tf.Tensor, maxval: int | tf.Tensor) -> tf.Tensor:
    """Draws integers from 0 up to and without `maxval`.

    Args:
        shape: shape of the result, integers or an integer tensor.
        seed: int32 [2].
        maxval: exclusive upper bound, 1 to 2**63 - 1; an integer or a tensor that broadcasts
            against `shape`.

    Returns:
        int64 of shape `shape`. The bias of the modulo is below `maxval` / 2**64.
    """
    bits = _bits(shape, seed, tf.uint64)
    return tf.cast(bits % tf.cast(maxval, tf.uint64), tf.int64)


def shuffle_index(index: int | tf.Tensor, seed: tf.Tensor, size: int | tf.Tensor) -> tf.Tensor:
    """Looks up one entry of a random permutation without building the permutation.

    Args:
        index: position in the permutation, 0 to `size` - 1; int or integer tensor.
        seed: int32 [2]; chooses the permutation.
        size: number of permuted items, at least 1.

    Returns:
        int64, shape of `index`. Over all `index` every value below `size` occurs once.
    """
    last = tf.cast(size, tf.int64) - 1
    return tf.random.experimental.index_shuffle(
        tf.cast(index, tf.int64), tf.cast(seed, tf.int64), last
    )
