"""Mu-law codes against float64 NumPy arithmetic, over all codes and the edges between them."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tfwavenet.audio import mulaw

# 2 and 3 are the smallest; 9, 17 and 257 have an even mu, so that silence lies on a code or an
# edge exactly; 256 is what models use; 65536 is the largest.
CLASSES = [2, 3, 9, 16, 17, 255, 256, 257, 1024, 4097, 65535, 65536]
ROUNDINGS = ["nearest", "truncate"]


def oracle_codes(audio, classes, rounding):
    mu = classes - 1.0
    audio = np.clip(audio.astype(np.float64), -1.0, 1.0)
    curve = np.sign(audio) * np.log1p(mu * np.abs(audio)) / np.log1p(mu)
    level = (curve + 1.0) / 2.0 * mu
    return np.floor(level + 0.5 if rounding == "nearest" else level).astype(np.int32)


def oracle_values(classes):
    mu = classes - 1.0
    curve = 2.0 * np.arange(classes) / mu - 1.0
    return np.sign(curve) * ((1.0 + mu) ** np.abs(curve) - 1.0) / mu


def around(values, steps=3):
    """float32 values and their `steps` neighbours on both sides, inside [-1, 1]."""
    up = down = values.astype(np.float32)
    found = [up]
    for _ in range(steps):
        up, down = np.nextafter(up, np.float32(2)), np.nextafter(down, np.float32(-2))
        found += [up, down]
    return np.clip(np.concatenate(found), -1.0, 1.0)


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("classes", CLASSES)
def test_codes_equal_float64_at_and_beside_every_edge(classes, rounding):
    mu = classes - 1.0
    levels = np.arange(classes + 1) - (0.5 if rounding == "nearest" else 0.0)
    curve = np.clip(2.0 * levels / mu - 1.0, -1.0, 1.0)
    edges = np.sign(curve) * np.expm1(np.abs(curve) * np.log1p(mu)) / mu
    audio = around(edges)
    np.testing.assert_array_equal(
        mulaw.encode(audio, classes, rounding), oracle_codes(audio, classes, rounding)
    )


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("classes", [255, 256, 257, 65536])
def test_codes_equal_float64_beside_silence(classes, rounding):
    # Zero is an edge where mu and the rounding have the same parity; there float64 rounds the
    # smallest negative numbers, denormals among them, up to the code of zero.
    tiny = np.logspace(-45, -1, 2000, dtype=np.float64).astype(np.float32)
    audio = np.concatenate([-tiny, tiny])
    np.testing.assert_array_equal(
        mulaw.encode(audio, classes, rounding), oracle_codes(audio, classes, rounding)
    )


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("classes", [2, 255, 256, 65536])
def test_codes_equal_float64_on_all_16_bit_samples(classes, rounding):
    audio = (np.arange(-32768, 32768) / 32768.0).astype(np.float32)
    np.testing.assert_array_equal(
        mulaw.encode(audio, classes, rounding), oracle_codes(audio, classes, rounding)
    )


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("classes", CLASSES)
def test_encoding_a_decoded_code_gives_it_back(classes, rounding):
    codes = np.arange(classes)
    np.testing.assert_array_equal(
        mulaw.encode(mulaw.decode(codes, classes), classes, rounding), codes
    )


@pytest.mark.parametrize("classes", CLASSES)
def test_decoded_values_are_the_expansion_within_one_float32_step(classes):
    expected = oracle_values(classes)
    decoded = mulaw.decode(np.arange(classes), classes).numpy()
    assert decoded.dtype == np.float32
    assert np.all(np.abs(decoded - expected) <= np.spacing(np.abs(expected).astype(np.float32)))
    assert decoded[0] == -1.0 and decoded[-1] == 1.0


@pytest.mark.parametrize(("rounding", "silence"), [("nearest", 128), ("truncate", 127)])
def test_silence_and_the_ends(rounding, silence):
    audio = np.array([0.0, -0.0, -1.0, 1.0, -7.0, 7.0, np.inf], np.float32)
    expected = [silence, silence, 0, 255, 0, 255, 255]
    np.testing.assert_array_equal(mulaw.encode(audio, 256, rounding), expected)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("classes", [256, 65536])
def test_graph_and_xla_give_the_same_codes(classes, jit_compile):
    audio = around(oracle_values(256))
    encode = tf.function(mulaw.encode, jit_compile=jit_compile)
    decode = tf.function(mulaw.decode, jit_compile=jit_compile)
    codes = mulaw.encode(audio, classes)
    np.testing.assert_array_equal(encode(tf.constant(audio), classes), codes)
    np.testing.assert_array_equal(decode(codes, classes), mulaw.decode(codes, classes))


def test_shapes_are_kept():
    assert mulaw.encode(np.zeros((2, 3, 4)), 256).shape == (2, 3, 4)
    assert mulaw.decode(np.zeros((2, 3), np.int64), 256).shape == (2, 3)
    assert mulaw.encode(0.5, 256).shape == ()


@pytest.mark.parametrize("classes", [1, 0, 65537])
def test_classes_out_of_range(classes):
    with pytest.raises(ValueError, match=f"Received: classes={classes}"):
        mulaw.encode([0.0], classes)
    with pytest.raises(ValueError, match=f"Received: classes={classes}"):
        mulaw.decode([0], classes)


def test_other_mistakes():
    with pytest.raises(ValueError, match="Received: rounding='up'"):
        mulaw.encode([0.0], 256, "up")
    with pytest.raises(ValueError, match="Received: dtype=float32"):
        mulaw.decode([0.5], 256)
