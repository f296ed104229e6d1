"""Appends a small known frame to a FLAC stream, which shows whether decoding reached the end.

tensorflow-io waits for ever if the bytes end while samples are missing. libFLAC fills a frame that
is broken off with whatever bytes follow, mutes it and goes on. So a frame of known samples is
appended. A damaged frame before it takes bytes from it, and the known samples are missing at the
end. Headers of frames that are longer than the remaining bytes follow: a decoder that still wants
samples fails inside such a frame.

Source: the frame layout of RFC 9639.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

SAMPLES = 16
LEVEL = 0.5

_TOTAL_AT, _TOTAL_BYTES = 21, 5
_TRAILING_HEADERS = 1000
_VERBATIM_SUBFRAME = 2


def append(
    contents: tf.Tensor, *, total: tf.Tensor, channels: tf.Tensor, bits: tf.Tensor
) -> tf.Tensor:
    """Returns the file with `SAMPLES` more samples, all at `LEVEL` of full scale.

    Args:
        contents: string scalar, a FLAC file without anything in front of it.
        total: int64 scalar, samples per channel that its header promises.
        channels: int64 scalar in [1, 8], as in its header.
        bits: int64 scalar, 8, 16 or 24, as in its header.

    Returns:
        string scalar. In the decoded audio the last `SAMPLES` samples equal `LEVEL` exactly if no
        frame before them was missing.
    """
    promised = total + SAMPLES
    # The four bits in front of the 36-bit total belong to the bits per sample.
    first = (bits - 1) % 16 * 16 + promised // 2**32
    counted = tf.concat([[first], _digits(promised, base=256, count=4)], axis=0)
    return tf.strings.join(
        [
            tf.strings.substr(contents, 0, _TOTAL_AT),
            to_bytes(counted),
            tf.strings.substr(contents, _TOTAL_AT + _TOTAL_BYTES, -1),
            to_bytes(_frame(total, channels, bits)),
            tf.gather(_ENDLESS, channels - 1),
        ]
    )


def to_bytes(values: tf.Tensor) -> tf.Tensor:
    """Converts integers [n] in [0, 255] to a string scalar of n bytes."""
    return tf.strings.reduce_join(tf.gather([bytes([i]) for i in range(256)], values))


def _frame(number: tf.Tensor, channels: tf.Tensor, bits: tf.Tensor) -> tf.Tensor:
    """Returns the bytes of a frame of constant subframes that begins at sample `number`."""
    # The sample number in the longest of its UTF-8-like forms, 36 bits in 7 bytes.
    coded = tf.concat([[0xFE], 0x80 + _digits(number, base=64, count=6)], axis=0)
    layout = tf.stack([0xFF, 0xF9, 6 << 4, (channels - 1) * 16])
    frame = tf.concat([layout, coded, [SAMPLES - 1]], axis=0)
    frame = tf.concat([frame, [_checksum(frame, _CRC_8, width=8)]], axis=0)
    # A constant subframe is a zero byte and the level, here a half: 0x40 and zeros.
    level = tf.concat([[0, 0x40], tf.zeros([bits // 8 - 1], tf.int64)], axis=0)
    frame = tf.concat([frame, tf.tile(level, [channels])], axis=0)
    checksum = _checksum(frame, _CRC_16, width=16)
    return tf.concat([frame, [checksum // 256, checksum % 256]], axis=0)


def _digits(value: tf.Tensor, *, base: int, count: int) -> tf.Tensor:
    """Returns the last `count` digits of an integer, the highest first: int64 [count]."""
    return value // [base**place for place in range(count - 1, -1, -1)] % base


def _checksum(values: tf.Tensor, table: np.ndarray, *, width: int) -> tf.Tensor:
    """Computes the cyclic redundancy check of bytes int64 [n], highest bit first."""

    def step(crc: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
        index = tf.bitwise.bitwise_xor(crc // 2 ** (width - 8), value)
        return tf.bitwise.bitwise_xor(tf.gather(table, index), crc * 256 % 2**width)

    return tf.foldl(step, values, initializer=tf.constant(0, tf.int64))


def _crc_table(*, polynomial: int, width: int) -> np.ndarray:
    """Returns the contribution of every byte to a checksum: int64 [256]."""
    table = np.arange(256, dtype=np.int64) << (width - 8)
    for _ in range(8):
        table = (table << 1) ^ np.where(table >> (width - 1), polynomial | 1 << width, 0)
    return table


_CRC_8 = _crc_table(polynomial=0x07, width=8)
_CRC_16 = _crc_table(polynomial=0x8005, width=16)


def _endless(channels: int) -> bytes:
    """Returns beginnings of frames of 32768 verbatim samples, over and over."""
    header = bytes([0xFF, 0xF8, 0xF0, (channels - 1) << 4, 0])
    crc = 0
    for byte in header:
        crc = int(_CRC_8[crc ^ byte])
    return (header + bytes([crc, _VERBATIM_SUBFRAME])) * _TRAILING_HEADERS


_ENDLESS = [_endless(channels) for channels in range(1, 9)]
