"""Start of a server in a process of its own on this machine, and calls to the server."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

_FOLDER = pathlib.Path(__file__).resolve().parents[1]
_UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


class Server(NamedTuple):
    """Holds the process and the ports of a running server.

    Attributes:
        process: process of the server.
        port: port of gRPC.
        rest_port: port of REST.
    """

    process: subprocess.Popen[str]
    port: int
    rest_port: int

    def resident_bytes(self) -> int:
        """Returns the resident memory of the server's process in bytes (Linux only)."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii").split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


@contextlib.contextmanager
def running(module: str, *arguments: str) -> Iterator[Server]:
    """Starts a server, and ends the server at the end of the block.

    Args:
        module: name of a module that prints its ports as JSON once it serves.
        *arguments: command-line arguments of the module.

    Yields:
        The running server.

    Raises:
        RuntimeError: If the process ends before it serves.
    """
    # With its authentication enabled, Ray would write a token to the home folder.
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled"}
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(
        command, cwd=_FOLDER, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            ports = next((line for line in process.stdout or () if line.startswith("{")), None)
            if ports is None:
                raise RuntimeError(f"{module} was expected to serve. Received: it ended")
            yield Server(process, **json.loads(ports))
        finally:
            process.terminate()


def stub(port: int) -> prediction_service_pb2_grpc.PredictionServiceStub:
    """Returns TF Serving's gRPC client for a port of this machine."""
    channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=_UNLIMITED)
    return prediction_service_pb2_grpc.PredictionServiceStub(channel)


def predict(
    service: Any, model: str, signature: str, inputs: Mapping[str, Any], timeout: float = 300
) -> dict[str, np.ndarray]:
    """Calls a signature of a served model.

    Args:
        service: the client, from `stub`.
        model: name of the model.
        signature: name of the signature.
        inputs: values or tensor protos, by name.
        timeout: longest time of the call, in seconds. Defaults to 300.

    Returns:
        The outputs by name.

    Raises:
        grpc.RpcError: If the server refuses the request or does not answer in time.
    """
    protos = {
        name: value if hasattr(value, "tensor_shape") else tf.make_tensor_proto(value)
        for name, value in inputs.items()
    }
    spec = {"name": model, "signature_name": signature}
    request = predict_pb2.PredictRequest(model_spec=spec, inputs=protos)
    outputs = service.Predict(request, timeout=timeout).outputs
    return {name: tf.make_ndarray(proto) for name, proto in outputs.items()}
