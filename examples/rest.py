"""TF Serving's REST interface of one model: its status, and `:predict` in the columnar format."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import numpy as np
import tensorflow as tf

from examples.served_model import DEFAULT_SIGNATURE, RequestError, ServedModel

_PATH = re.compile(r"/v1/models/(?P<name>[^/:]+)(/versions/(?P<version>\d+))?(?P<verb>:predict)?")
_STATUSES = {tf.errors.INVALID_ARGUMENT: 400, tf.errors.NOT_FOUND: 404}


def answer(model: ServedModel, method: str, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
    """Answers a request.

    Args:
        model: what is served.
        method: "GET" for its status, "POST" to predict.
        path: of the URL.
        body: of the request.

    Returns:
        The HTTP status, and the content as JSON values.
    """
    try:
        match = _PATH.fullmatch(path)
        if match is None or (match["verb"] is None) != (method == "GET"):
            raise RequestError(tf.errors.NOT_FOUND, f"Malformed request: {method} {path}")
        model.check(match["name"], int(match["version"] or 0))
        return 200, status(model) if method == "GET" else predict(model, body)
    except RequestError as error:
        return _STATUSES.get(error.code, 500), {"error": str(error)}


def status(model: ServedModel) -> dict[str, Any]:
    """What TF Serving says of a loaded model."""
    healthy = {"error_code": "OK", "error_message": ""}
    version = {"version": str(model.version), "state": "AVAILABLE", "status": healthy}
    return {"model_version_status": [version]}


def predict(model: ServedModel, body: bytes) -> dict[str, Any]:
    """Answers `{"signature_name": ..., "inputs": {...}}`; bytes are `{"b64": ...}`."""
    try:
        request = json.loads(body)
        signature = request.get("signature_name", DEFAULT_SIGNATURE)
        dtypes = model.dtypes(signature)
        inputs = {
            name: from_json(name, value, dtypes.get(name, tf.float32))
            for name, value in request["inputs"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"JSON Parse error: {error}"
        raise RequestError(tf.errors.INVALID_ARGUMENT, message) from error
    outputs = {name: to_json(name, x) for name, x in model.run(signature, inputs).items()}
    return {"outputs": outputs if len(outputs) > 1 else next(iter(outputs.values()))}


def from_json(name: str, value: Any, dtype: tf.DType) -> np.ndarray:
    """A JSON value as an array of the declared type.

    Raises:
        ValueError: if it is none.
    """
    if dtype == tf.string:
        text = base64.b64decode(value["b64"]) if isinstance(value, dict) else str(value).encode()
        return np.array(text, object)
    array = np.array(value)
    if array.dtype.kind in "bif":
        cast = array.astype(dtype.as_numpy_dtype)
        if dtype.is_floating or np.array_equal(cast, array):
            return cast
    raise ValueError(f"{name} must hold values of dtype {dtype.name}")


def to_json(name: str, value: Any) -> Any:
    """An output as a JSON value; a string is text unless its name says otherwise."""
    if not isinstance(value, bytes):
        return value.tolist()
    if name.endswith("_bytes"):
        return {"b64": base64.b64encode(value).decode()}
    return value.decode()
