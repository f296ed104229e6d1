"""Ray Serve answers TF Serving's clients as a single server does."""

from __future__ import annotations

import json
import socket

import numpy as np
import pytest

pytest.importorskip("ray.serve")
pytest.importorskip("tensorflow_serving")

import grpc

from tests.support import served, serving
from tests.support.served import RECIPE, assert_same_audio

pytestmark = pytest.mark.slow


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="module")
def client(exported):
    """A client of two replicas of the small vocoder."""
    ports = [f"--port={free_port()}", f"--rest_port={free_port()}"]
    folder = exported("vocoder").parent
    with serving.running("examples.ray_service", folder, "--replicas=2", *ports) as client:
        yield client


def typed(name, inputs):
    tensors = served.typed(served.signatures("vocoder")[name], inputs)
    return {key: value.numpy() for key, value in tensors.items()}


def test_whole_utterances_over_grpc_and_rest(client):
    inputs = {"mel": served.mel(5), **served.conditions("vocoder")}
    request, expected = typed("serving_default", inputs), served.generated("vocoder", inputs)
    assert_same_audio(client.predict("serving_default", request)["audio"], expected)
    assert_same_audio(client.rest("serving_default", request), expected)


def test_a_stream_goes_from_replica_to_replica(client):
    given, mel = served.conditions("vocoder"), served.mel(20)
    state = client.predict("stream_start", typed("stream_start", given))["state_bytes"]
    parts = []
    for first in range(0, 20, 2):
        frames = {"mel": mel[:, first : first + 2], "is_last": np.array(first == 18)}
        outputs = client.predict("stream_step", {"state_bytes": state, **frames})
        state = outputs["state_bytes"]
        parts.append(outputs["audio"])
    expected = served.generated("vocoder", {"mel": mel, **given})
    assert_same_audio(np.concatenate(parts, axis=1), expected)


def test_what_does_not_fit_gets_a_sentence_and_the_service_lives_on(client):
    request = typed("serving_default", {"mel": served.mel(5), **served.conditions("vocoder")})
    for _ in range(20):
        with pytest.raises(grpc.RpcError, match="Expected finite mel") as caught:
            client.predict("serving_default", {**request, "mel": np.nan * request["mel"]})
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    status, content = client.post(b'{"inputs": {}}')
    assert (status, "Expected the inputs" in content["error"]) == (400, True)
    assert json.loads(client.predict("recipe", {})["recipe"].item()) == RECIPE.get_config()
