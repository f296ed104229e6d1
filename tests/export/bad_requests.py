"""Requests that do not fit a small network, each with what the refusal must say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tests.support import served
from tests.support.served import HOP, LIMITS, MELS, RECIPE
from tfwavenet.export.checks import Field

Request = tuple[str, dict[str, Any], str]

_FRAMES = LIMITS.samples // HOP

_OUT_OF_RANGE = {
    "temperature": ((-1e-6, -1.0, -1e30), "Expected temperature of at least 0"),
    "top_p": ((0.0, -0.5, 1.01, -1e30, 1e30), "Expected top_p from 1e-06 to 1"),
    "prompt": ((1.01, -1.01, 1e30), "Expected prompt from -1 to 1"),
    "samples": (
        (0, -1, LIMITS.samples + 1, 2**31 - 1, -(2**31)),
        f"Expected samples from 1 to {LIMITS.samples}",
    ),
}


def good(kind: str, signature: str, state: bytes = b"") -> dict[str, np.ndarray]:
    """A request that fits, for two utterances; `state` is of two streams of the network."""
    everything = {
        **served.source(kind, 4),
        "audio": served.recordings(200),
        "prompt": served.recordings(30),
        "state_bytes": np.array(state, object),
        "is_last": np.array(False),
        **served.conditions(kind),
    }
    definition = served.signatures(kind)[signature]
    return {
        field.name: np.asarray(everything[field.name], field.dtype.as_numpy_dtype)
        for field in definition.inputs
    }


def bad_requests(
    kind: str, state: bytes = b"", foreign_states: Sequence[bytes] = ()
) -> Iterator[Request]:
    """All of them: signature, inputs, and a part of the sentence.

    Args:
        kind: of the network.
        state: of two of its streams, if it has any.
        foreign_states: what other models returned, and damaged states.
    """
    for signature in [name for name in served.signatures(kind) if name != "recipe"]:
        fitting = good(kind, signature, state)
        for field in served.signatures(kind)[signature].inputs:
            for value, message in _wrong(kind, signature, field, fitting[field.name]):
                yield signature, {**fitting, field.name: value}, message
        for name in fitting:
            yield signature, {k: v for k, v in fitting.items() if k != name}, "Expected the inputs"
        yield signature, {**fitting, "volume": np.zeros(2, np.float32)}, "Expected the inputs"
        yield f"{signature}s", fitting, "not found in signature def"
    if "stream_step" in served.signatures(kind):
        yield from _wrong_states(kind, state, foreign_states)


def found_by_the_graph(requests: Iterable[Request]) -> list[Request]:
    """Those of which everything else is right: a server finds out the rest before it computes."""
    others = ("of dtype", "Expected the inputs", "not found", "tensor parsing")
    return [request for request in requests if not any(other in request[2] for other in others)]


def _wrong_states(kind: str, state: bytes, foreign_states: Sequence[bytes]) -> Iterator[Request]:
    step = good(kind, "stream_step", state)
    for foreign in foreign_states:
        changed = {**step, "state_bytes": np.array(foreign, object)}
        yield "stream_step", changed, "Expected state_bytes that this model returned"
    if "mel" in step:
        yield "stream_step", {**step, "mel": served.mel(4, 3)}, "Expected mel for the 2 streams"


def _wrong(kind: str, signature: str, field: Field, value: np.ndarray) -> Iterator[tuple[Any, str]]:
    """Values that an input must not have, each with a part of the sentence."""
    inputs = served.signatures(kind)[signature].inputs
    batched = [other.name for other in inputs if "batch" in other.axes or other.dtype == tf.string]
    yield from _wrong_shapes(field, value)
    # A batch of one or three is wrong only beside a batch of two.
    for size in (0, LIMITS.batch + 1, 200, *((1, 3) if len(batched) > 1 else ())):
        if value.ndim:
            yield np.resize(value, [size, *value.shape[1:]]), "batch"
    yield from _wrong_types(field.name, value)
    yield from _wrong_values(field, value)


def _wrong_shapes(field: Field, value: np.ndarray) -> Iterator[tuple[Any, str]]:
    """Other ranks, no elements, other widths and lengths."""
    name, rank, expected = field.name, value.ndim, f"Expected {field.name} of shape"
    yield value[np.newaxis], expected
    yield np.stack([value] * 3)[np.newaxis], expected
    yield np.zeros([0] * (rank + 1), value.dtype), expected
    if not rank:
        yield np.resize(value, [2]), expected
        return
    yield value[0], expected
    yield np.zeros([1] * 9, value.dtype), expected
    if isinstance(field.axes[-1], int):
        for width in (0, 1, field.axes[-1] - 1, field.axes[-1] + 1, 80):
            yield np.zeros([*value.shape[:-1], width], value.dtype), expected
    if name == "mel":
        yield value.transpose(0, 2, 1), expected
        for frames in (_FRAMES + 1, 20_000):
            yield np.zeros([2, frames, MELS], np.float32), "Expected frames of mel from"
    if name == "prompt":
        for samples in (0, LIMITS.samples + 1, 10**6):
            yield np.zeros([2, samples], np.float32), "Expected past_samples of prompt from 1"
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


def _wrong_values(field: Field, value: np.ndarray) -> Iterator[tuple[Any, str]]:
    name = field.name
    if value.dtype == np.float32:
        for poison in (np.nan, np.inf, -np.inf):
            changed = np.array(value)
            changed.flat[-1] = poison
            yield changed, f"Expected finite {name}"
        yield _enormous(value), "tensor parsing error"
    numbers, message = _OUT_OF_RANGE.get(name, ((), ""))
    for number in numbers:
        yield np.full_like(value, number), message
    if name == "speaker" and field.dtype == tf.int32:
        for numbers in ([0, 4], [-1, 0], [2**31 - 1, 0], [-(2**31), 3]):
            yield np.array(numbers, np.int32), "Expected speaker from 0 to 3"
    if name == "audio":
        yield np.stack([value[0], np.zeros_like(value[0])]), "a silent recording"


def _enormous(value: np.ndarray) -> Any:
    """A message of a few bytes that claims to be a tensor of 4 TB."""
    proto = tf.make_tensor_proto(np.zeros([1] * max(1, value.ndim), np.float32))
    proto.tensor_shape.dim[0].size = 10**12
    return proto
