"""Answers TF Serving's clients over gRPC and REST, where its binary cannot be had.

    python -m examples.prediction_server --name=digits --path=served/digits

It is a stand-in for one model on one machine, without batching or reloading, and needs the extra
`serving`. The ports are TF Serving's own: 8500 for gRPC, 8501 for REST.
"""

from __future__ import annotations

import argparse
import base64
import json
import re
import threading
from collections.abc import Callable
from concurrent import futures
from http import server as http
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import prediction_service_pb2_grpc

from examples.served_model import DEFAULT_SIGNATURE, RequestError, ServedModel

UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
_PATH = re.compile(r"/v1/models/(?P<name>[^/:]+)(/versions/(?P<version>\d+))?(?P<verb>:predict)?")
_STATUSES = {tf.errors.INVALID_ARGUMENT: 400, tf.errors.NOT_FOUND: 404}


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """The gRPC service: `Predict` and `GetModelMetadata`."""

    def __init__(self, model: ServedModel) -> None:
        self._model = model

    def Predict(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Calls a signature."""
        return _answered(context, lambda: self._model.predict(request))

    def GetModelMetadata(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Describes the signatures."""
        return _answered(context, lambda: self._model.metadata(request.model_spec.name))


def _answered(context: grpc.ServicerContext, answer: Callable[[], Any]) -> Any:
    codes = {status.value[0]: status for status in grpc.StatusCode}
    try:
        return answer()
    except RequestError as error:
        context.abort(codes[error.code], str(error))


def rest_handler(model: ServedModel) -> type[http.BaseHTTPRequestHandler]:
    """The handler of REST requests: a model's status, and `:predict` in the columnar format."""

    class Handler(http.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._respond(lambda: status(model))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self._respond(lambda: predict(model, body))

        def _respond(self, answer: Callable[[], Any]) -> None:
            try:
                match = _PATH.fullmatch(self.path)
                if match is None or (match["verb"] is None) != (self.command == "GET"):
                    raise RequestError(tf.errors.NOT_FOUND, f"Malformed request: {self.path}")
                model.check(match["name"], int(match["version"] or 0))
                code, content = 200, answer()
            except RequestError as error:
                code, content = _STATUSES.get(error.code, 500), {"error": str(error)}
            body = json.dumps(content).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            """Keeps quiet."""

    return Handler


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


def start(model: ServedModel, *, port: int, rest_port: int, threads: int = 8) -> tuple[Any, Any]:
    """Starts both servers on the loopback interface.

    Args:
        model: what is served.
        port: of gRPC, 0 for any.
        rest_port: of REST, 0 for any.
        threads: that answer gRPC requests at the same time.

    Returns:
        The gRPC server with its port, and the HTTP server.
    """
    executor = futures.ThreadPoolExecutor(threads)
    server = grpc.server(executor, options=UNLIMITED)
    service = PredictionService(model)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(service, server)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    rest = http.ThreadingHTTPServer(("127.0.0.1", rest_port), rest_handler(model))
    threading.Thread(target=rest.serve_forever, daemon=True).start()
    return (server, bound), rest


def main() -> None:
    """Serves until it is interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True)
    parser.add_argument("--path", required=True)
    parser.add_argument("--port", type=int, default=8500)
    parser.add_argument("--rest_port", type=int, default=8501)
    flags = parser.parse_args()
    model = ServedModel(flags.name, flags.path)
    (server, port), rest = start(model, port=flags.port, rest_port=flags.rest_port)
    print(json.dumps({"port": port, "rest_port": rest.server_address[1]}), flush=True)  # noqa: T201
    server.wait_for_termination()


if __name__ == "__main__":
    main()
