"""A server in a process of its own, and a client made of TF Serving's stubs and the standard library."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

from tensorflow_serving.apis import get_model_metadata_pb2

from examples import local_server

MODEL = "tiny"
TIMEOUT_SECONDS = 300


@contextlib.contextmanager
def running(module: str, path: Any, *arguments: str) -> Iterator[Client]:
    """Starts a server on the versions in a folder; gives a client of it."""
    names = [f"--name={MODEL}", f"--path={path}"]
    with local_server.running(module, *names, *arguments) as server:
        yield Client(server)


class Client:
    """What TF Serving's own clients do."""

    def __init__(self, server: local_server.Server) -> None:
        self.port, self.rest_port = server.port, server.rest_port
        self.resident_bytes = server.resident_bytes
        self._url = f"http://127.0.0.1:{server.rest_port}/v1/models/{MODEL}"
        self._stub = local_server.stub(server.port)

    def predict(
        self,
        signature: str,
        inputs: dict[str, Any],
        model: str = MODEL,
        timeout: float = TIMEOUT_SECONDS,
    ) -> dict[str, Any]:
        """Calls a signature over gRPC; the values may be tensor protos already."""
        return local_server.predict(self._stub, model, signature, inputs, timeout)

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

    def post_with_length(self, content_length: str | None) -> tuple[int, dict[str, Any]]:
        """Status and content of the answer to a request whose header says this of its length."""
        connection = http.client.HTTPConnection("127.0.0.1", self.rest_port, timeout=60)
        with contextlib.closing(connection):
            connection.putrequest("POST", f"/v1/models/{MODEL}:predict")
            if content_length is not None:
                connection.putheader("Content-Length", content_length)
            connection.endheaders()
            response = connection.getresponse()
            return response.status, json.load(response)

    def get(self, path: str = "") -> tuple[int, dict[str, Any]]:
        """What the server says of the model over REST; its status, or what the path names."""
        return self._opened(urllib.request.Request(self._url + path))

    def _opened(self, request: urllib.request.Request) -> tuple[int, dict[str, Any]]:
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)


def _json(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value).decode()}
    return value.tolist() if hasattr(value, "tolist") else value
