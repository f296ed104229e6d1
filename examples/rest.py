"""TF Serving's REST interface of one model: status, metadata, and `:predict` with columns."""

from __future__ import annotations

import base64
import inspect
import json
import re
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from google.protobuf.message import Message
from tensorflow_serving.apis import get_model_metadata_pb2

from examples.served_model import DEFAULT_SIGNATURE, Cancellation, RequestError, ServedModel

_PATH = re.compile(
    r"/v1/models/(?P<name>[^/:]+)(/versions/(?P<version>[0-9]{1,18}))?(?P<verb>:predict|/metadata)?"
)
_METHODS = {None: "GET", "/metadata": "GET", ":predict": "POST"}
_STATUSES = {tf.errors.INVALID_ARGUMENT: 400, tf.errors.NOT_FOUND: 404}
# Lists and mappings in a request: a frame of features is a list. Empty ones, of three bytes, take
# twenty times as much when they are parsed.
_MOST_LISTS = 2**18
# The argument's name before and after protobuf 5.
_WITH_DEFAULTS = next(
    name
    for name in ("always_print_fields_with_no_presence", "including_default_value_fields")
    if name in inspect.signature(json_format.MessageToDict).parameters
)

Answer = tuple[int, dict[str, Any]]


def body_bytes(content_length: str | None, most: int) -> int:
    """Returns the size of a request's body in bytes.

    Args:
        content_length: value of the header Content-Length. If None, the header is absent.
        most: largest size.

    Raises:
        RequestError: If the header is absent, not a number, or too large.
    """
    if content_length is None or not re.fullmatch("[0-9]{1,18}", content_length.strip()):
        message = f"Expected a number as Content-Length. Received: {content_length!r}"
        raise RequestError(tf.errors.INVALID_ARGUMENT, message)
    if int(content_length) > most:
        message = f"Expected at most {most} bytes. Received: Content-Length={content_length}"
        raise RequestError(tf.errors.INVALID_ARGUMENT, message)
    return int(content_length)


def answer(
    model: ServedModel,
    method: str,
    path: str,
    body: bytes,
    cancellation: Cancellation | None = None,
) -> Answer:
    """Answers a REST request.

    Args:
        model: the served model.
        method: "GET" for status and metadata, "POST" to predict.
        path: path of the URL.
        body: body of the request.
        cancellation: ends the computation when nobody waits for the answer any more.

    Returns:
        The HTTP status, and the content as JSON values.
    """
    try:
        match = _PATH.fullmatch(path)
        if match is None or method != _METHODS[match["verb"]]:
            raise RequestError(tf.errors.NOT_FOUND, f"Malformed request: {method} {path}")
        name, version = match["name"], int(match["version"] or 0)
        if match["verb"] == "/metadata":
            return 200, metadata(model, name, version)
        model.check(name, version)
        return 200, status(model) if method == "GET" else predict(model, body, cancellation)
    except RequestError as error:
        return refusal(error)


def refusal(error: RequestError) -> Answer:
    """Returns the answer to a refused request."""
    return _STATUSES.get(error.code, 500), {"error": str(error)}


def status(model: ServedModel) -> dict[str, Any]:
    """Returns the status of a loaded model in the format of TF Serving."""
    healthy = {"error_code": "OK", "error_message": ""}
    version = {"version": str(model.version), "state": "AVAILABLE", "status": healthy}
    return {"model_version_status": [version]}


def metadata(model: ServedModel, name: str, version: int) -> dict[str, Any]:
    """Returns the description of the signatures that the gRPC service gives, as JSON values.

    Raises:
        RequestError: If `name` or `version` differs from the served model.
    """
    response = model.metadata(name, version)
    definitions = get_model_metadata_pb2.SignatureDefMap()
    response.metadata["signature_def"].Unpack(definitions)
    described = {"signature_def": _as_json(definitions)}
    return {"model_spec": _as_json(response.model_spec), "metadata": described}


def _as_json(message: Message) -> dict[str, Any]:
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, **{_WITH_DEFAULTS: True}
    )


def predict(
    model: ServedModel, body: bytes, cancellation: Cancellation | None = None
) -> dict[str, Any]:
    """Answers a `:predict` request.

    Args:
        model: the served model.
        body: JSON `{"signature_name": ..., "inputs": {...}}`, where bytes are `{"b64": ...}`.
        cancellation: ends the computation when nobody waits for the answer any more.

    Returns:
        `{"outputs": ...}`: the values by name, or the value of a single output.

    Raises:
        RequestError: If the request cannot be answered.
    """
    try:
        if body.count(b"[") + body.count(b"{") > _MOST_LISTS:
            raise ValueError(f"expected at most {_MOST_LISTS} lists. Received: more")
        signature, values = _request(json.loads(body))
        dtypes = model.dtypes(signature)
        inputs = {
            name: from_json(name, value, dtypes.get(name, tf.float32))
            for name, value in values.items()
        }
    except RecursionError as error:
        message = "JSON Parse error: expected JSON values. Received: too many within one another"
        raise RequestError(tf.errors.INVALID_ARGUMENT, message) from error
    except (ValueError, KeyError, OverflowError, TypeError) as error:
        message = f"JSON Parse error: {error}"
        raise RequestError(tf.errors.INVALID_ARGUMENT, message) from error
    found = model.run(signature, inputs, cancellation)
    outputs = {name: to_json(name, x) for name, x in found.items()}
    return {"outputs": outputs if len(outputs) > 1 else next(iter(outputs.values()))}


def _request(content: Any) -> tuple[str, dict[str, Any]]:
    """Returns the name of the signature, and the JSON values of the inputs by name.

    Raises:
        ValueError: If the content does not hold both.
    """
    if isinstance(content, dict) and "instances" in content:
        raise ValueError(
            'expected "inputs", the columnar format: temperature and the like are one value for '
            'the whole request, which rows cannot say. Received: "instances"'
        )
    if not isinstance(content, dict) or not isinstance(content.get("inputs"), dict):
        raise ValueError('expected {"inputs": {name: value}}. Received: other JSON')
    signature = content.get("signature_name", DEFAULT_SIGNATURE)
    if not isinstance(signature, str):
        raise ValueError(f"expected a name. Received: signature_name={signature!r}")
    return signature, content["inputs"]


def from_json(name: str, value: Any, dtype: tf.DType) -> np.ndarray:
    """Converts a JSON value to an array of the declared dtype.

    Args:
        name: name of the input.
        value: the JSON value.
        dtype: declared dtype of the input.

    Raises:
        ValueError: If the value cannot be represented in the dtype.
    """
    if dtype == tf.string:
        text = base64.b64decode(value["b64"]) if isinstance(value, dict) else str(value).encode()
        return np.array(text, object)
    array = np.array(value)
    if array.dtype.kind in "bif":
        with np.errstate(over="ignore", invalid="ignore"):  # the model refuses infinity
            cast = array.astype(dtype.as_numpy_dtype)
        if dtype.is_floating or np.array_equal(cast, array):
            return cast
    raise ValueError(f"{name} must hold values of dtype {dtype.name}")


def to_json(name: str, value: Any) -> Any:
    """Converts an output to a JSON value; strings are text unless `name` ends in "_bytes"."""
    if not isinstance(value, bytes):
        return value.tolist()
    if name.endswith("_bytes"):
        return {"b64": base64.b64encode(value).decode()}
    return value.decode()
