"""A server in a process of its own, and a client made of TF Serving's stubs and the standard library."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import grpc
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from tests.support.shared import REPOSITORY

MODEL = "tiny"
TIMEOUT_SECONDS = 300
_OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


@contextlib.contextmanager
def running(module: str, path: Any, *arguments: str) -> Iterator[Client]:
    """Starts a server on the versions in a folder; gives a client of it."""
    command = [sys.executable, "-m", module, f"--name={MODEL}", f"--path={path}", *arguments]
    # Ray would write a token into the home folder.
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "RAY_AUTH_MODE": "disabled"}
    process = subprocess.Popen(
        command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        ports = next((line for line in process.stdout if line.startswith("{")), None)
        assert ports is not None, f"{module} ended before it served"
        yield Client(process, **json.loads(ports))
    finally:
        process.terminate()
        process.wait(timeout=60)
        process.stdout.close()


class Client:
    """What TF Serving's own clients do."""

    def __init__(self, process: subprocess.Popen[str], port: int, rest_port: int) -> None:
        self.process = process
        self.port = port
        self._url = f"http://127.0.0.1:{rest_port}/v1/models/{MODEL}"
        self._channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=_OPTIONS)
        self._stub = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)

    def predict(self, signature: str, inputs: dict[str, Any], model: str = MODEL) -> dict[str, Any]:
        """Calls a signature over gRPC; the values may be tensor protos already."""
        protos = {
            name: value if hasattr(value, "tensor_shape") else tf.make_tensor_proto(value)
            for name, value in inputs.items()
        }
        spec = {"name": model, "signature_name": signature}
        request = predict_pb2.PredictRequest(model_spec=spec, inputs=protos)
        response = self._stub.Predict(request, timeout=TIMEOUT_SECONDS)
        return {name: tf.make_ndarray(proto) for name, proto in response.outputs.items()}

    def signature_definitions(self) -> Any:
        """What the server says of its signatures."""
        request = get_model_metadata_pb2.GetModelMetadataRequest(
            model_spec={"name": MODEL}, metadata_field=["signature_def"]
        )
        response = self._stub.GetModelMetadata(request, timeout=TIMEOUT_SECONDS)
        definitions = get_model_metadata_pb2.SignatureDefMap()
        response.metadata["signature_def"].Unpack(definitions)
        return definitions.signature_def

    def rest(self, signature: str, inputs: dict[str, Any]) -> Any:
        """Calls a signature over REST; bytes are sent in base64."""
        body = {"signature_name": signature, "inputs": {k: _json(v) for k, v in inputs.items()}}
        return self.post(json.dumps(body).encode())[1].get("outputs")

    def post(self, body: bytes, verb: str = ":predict") -> tuple[int, dict[str, Any]]:
        """Status and content of the answer to a REST request."""
        return self._opened(urllib.request.Request(self._url + verb, data=body))

    def status(self) -> tuple[int, dict[str, Any]]:
        """What the server says of the model over REST."""
        return self._opened(urllib.request.Request(self._url))

    def _opened(self, request: urllib.request.Request) -> tuple[int, dict[str, Any]]:
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def resident_bytes(self) -> int:
        """Memory that the server's process holds."""
        with open(f"/proc/{self.process.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _json(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value).decode()}
    return value.tolist() if hasattr(value, "tolist") else value
