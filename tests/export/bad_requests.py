"""Requests that do not fit the small vocoder, each with what the refusal must say."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from tests.support import served
from tests.support.served import HOP, LIMITS, MELS, RECIPE

Request = tuple[str, dict[str, Any], str]

_FRAMES = LIMITS.samples // HOP


def good(signature: str, state: bytes) -> dict[str, np.ndarray]:
    """A request that fits, for two utterances."""
    everything = {
        "mel": served.mel(4),
        "audio": served.recordings(200),
        "state_bytes": np.array(state, object),
        "is_last": np.array(False),
        **served.conditions("vocoder"),
    }
    definition = served.signatures("vocoder")[signature]
    return {
        field.name: np.asarray(everything[field.name], field.dtype.as_numpy_dtype)
        for field in definition.inputs
    }


def bad_requests(state: bytes, foreign_states: dict[str, bytes]) -> Iterator[Request]:
    """All of them: signature, inputs, and a part of the sentence.

    Args:
        state: of two streams of the vocoder.
        foreign_states: what other models returned, and damaged states.
    """
    for signature in ("serving_default", "vocode", "stream_start", "stream_step"):
        fitting = good(signature, state)
        for name, value in fitting.items():
            changes = itertools.chain(
                _wrong_shapes(name, value), _wrong_types(name, value), _wrong_values(name, value)
            )
            for changed, message in changes:
                yield signature, {**fitting, name: changed}, message
        for name in fitting:
            yield signature, {k: v for k, v in fitting.items() if k != name}, "Expected the inputs"
        yield signature, {**fitting, "volume": np.zeros(2, np.float32)}, "Expected the inputs"
    step = good("stream_step", state)
    for foreign in foreign_states.values():
        changed = {**step, "state_bytes": np.array(foreign, object)}
        yield "stream_step", changed, "Expected state_bytes that this model returned"
    yield "stream_step", {**step, "mel": served.mel(4, 3)}, "Expected mel for the 2 streams"
    yield "nonsense", step, "not found in signature def"


def _wrong_shapes(name: str, value: np.ndarray) -> Iterator[tuple[Any, str]]:
    """Other ranks, no elements, other batches and widths."""
    rank, expected = value.ndim, f"Expected {name} of shape"
    yield value[np.newaxis], expected
    yield np.stack([value] * 3)[np.newaxis], expected
    yield np.zeros([0] * (rank + 1), value.dtype), expected
    if not rank:
        yield np.resize(value, [2]), expected
        return
    yield value[0], expected
    yield np.zeros([1] * 9, value.dtype), expected
    for size in (0, 1, 3, LIMITS.batch + 1, 200):
        yield np.resize(value, [size, *value.shape[1:]]), f"{name}"
    if name == "mel":
        for width in (0, 1, MELS - 1, MELS + 1, 80):
            yield np.zeros([2, 4, width], np.float32), expected
        yield value.transpose(0, 2, 1), expected
        for frames in (_FRAMES + 1, 20_000):
            yield np.zeros([2, frames, MELS], np.float32), "Expected frames of mel from"
    if name == "audio":
        for samples in (0, 1, RECIPE.least_samples - 1, LIMITS.samples + 1, 10**6):
            yield np.ones([2, samples], np.float32), "Expected samples of audio from"


def _wrong_types(name: str, value: np.ndarray) -> Iterator[tuple[Any, str]]:
    others = [np.float64, np.float16, np.int8, np.int32, np.int64, np.bool_, np.complex64]
    for dtype in others:
        if value.dtype not in (dtype, object):
            yield value.astype(dtype), f"Expected {name} of dtype"
    if value.dtype == object:
        yield np.zeros([], np.float32), f"Expected {name} of dtype"
    else:
        yield np.full(value.shape, b"text", object), f"Expected {name} of dtype"


def _wrong_values(name: str, value: np.ndarray) -> Iterator[tuple[Any, str]]:
    if value.dtype == np.float32:
        for poison in (np.nan, np.inf, -np.inf):
            changed = np.array(value)
            changed.flat[-1] = poison
            yield changed, f"Expected finite {name}"
        yield _enormous(value), "tensor parsing error"
    if name == "temperature":
        for number in (-1e-6, -1.0, -1e30):
            yield np.float32(number), "Expected temperature of at least 0"
    if name == "speaker":
        for numbers in ([0, 4], [-1, 0], [2**31 - 1, 0], [-(2**31), 3]):
            yield np.array(numbers, np.int32), "Expected speaker from 0 to 3"
    if name == "audio":
        yield np.stack([value[0], np.zeros_like(value[0])]), "a silent recording"


def _enormous(value: np.ndarray) -> Any:
    """A message of a few bytes that claims to be a tensor of 4 TB."""
    proto = tf.make_tensor_proto(np.zeros([1] * max(1, value.ndim), np.float32))
    proto.tensor_shape.dim[0].size = 10**12
    return proto
