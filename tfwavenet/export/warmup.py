"""Warmup requests, which a server replays before it accepts requests of clients.

TF Serving replays `assets.extra/tf_serving_warmup_requests`, a TFRecord file of `PredictionLog`
messages. A `PredictionLog` consists of five nested messages with few fields set. This module
encodes the messages itself, so that exporting does not require the packages of the server.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfwavenet import files
from tfwavenet.export.checks import Field
from tfwavenet.export.signatures import Signature

# Numbers of the fields in tensorflow_serving/apis/*.proto.
_PREDICT_LOG = 6  # of PredictionLog
_REQUEST = 1  # of PredictLog
_MODEL_SPEC, _INPUTS = 1, 2  # of PredictRequest
_SIGNATURE_NAME = 3  # of ModelSpec
_KEY, _VALUE = 1, 2  # of an entry of a map
_LENGTH_DELIMITED = 2  # wire type of strings and messages within a message


def write(path: files.PathLike, signatures: Mapping[str, Signature], sizes: dict[str, int]) -> None:
    """Writes the file of warmup requests, with one request for each signature.

    Args:
        path: path of the file.
        signatures: signatures of the model, by name.
        sizes: int > 0, size of each named dimension of the inputs, by name.
    """
    with tf.io.TFRecordWriter(str(path)) as writer:
        for name, inputs in requests(signatures, sizes):
            writer.write(prediction_log(name, inputs))


def requests(
    signatures: Mapping[str, Signature], sizes: Mapping[str, int]
) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Yields the name of each signature, and valid values of the inputs.

    Args:
        signatures: signatures of the model, by name.
        sizes: int > 0, size of each named dimension of the inputs, by name.

    Yields:
        The name of a signature, and the values of its inputs by name.
    """
    returned: dict[str, Any] = {}
    for name, signature in signatures.items():
        examples = {field.name: _example(field, sizes) for field in signature.inputs}
        inputs = {key: returned.get(key, value) for key, value in examples.items()}
        yield name, inputs
        if name == "stream_start":
            outputs = signature.function(*(tf.constant(value) for value in inputs.values()))
            returned = {key: value.numpy() for key, value in outputs.items()}


def _example(field: Field, sizes: Mapping[str, int]) -> np.ndarray:
    shape = [axis if isinstance(axis, int) else sizes[axis] for axis in field.axes]
    if field.name == "audio":
        return np.resize(np.sin(np.arange(100, dtype=np.float32)), shape)
    return np.full(shape, field.values.low or 0, field.dtype.as_numpy_dtype)


def prediction_log(signature: str, inputs: Mapping[str, Any]) -> bytes:
    """Returns a serialized `PredictionLog` with a request to predict.

    Args:
        signature: name of the signature.
        inputs: values of the inputs, by name.
    """
    request = _field(_MODEL_SPEC, _field(_SIGNATURE_NAME, signature.encode()))
    for name, value in inputs.items():
        tensor = tf.make_tensor_proto(value).SerializeToString()
        request += _field(_INPUTS, _field(_KEY, name.encode()) + _field(_VALUE, tensor))
    return _field(_PREDICT_LOG, _field(_REQUEST, request))


def _field(number: int, content: bytes) -> bytes:
    """Encodes a protocol buffer field that holds a string or a message."""
    return bytes([number << 3 | _LENGTH_DELIMITED]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    groups = []
    while value >= 0x80:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*groups, value])
