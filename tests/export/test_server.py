"""A server process on TF Serving's protocol answers its clients, and survives what does not fit."""

from __future__ import annotations

import base64
import concurrent.futures
import contextlib
import json
import socket
import struct
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import tensorflow as tf

pytest.importorskip("tensorflow_serving")

import grpc

from examples import local_server
from tests.export.bad_requests import bad_requests, good
from tests.support import served, serving
from tests.support.clips import voice
from tests.support.served import HOP, MELS, RECIPE, assert_same_audio
from tests.support.shared import REPOSITORY
from tfwavenet.audio import audio_files


@pytest.fixture(scope="module")
def client(exported):
    """A client of a server of the small vocoder."""
    with serving.running(
        "examples.prediction_server", exported("vocoder").parent, "--port=0", "--rest_port=0"
    ) as client:
        yield client


@pytest.fixture(scope="module")
def state(client):
    """The state of two streams that have begun."""
    given = {**served.conditions("vocoder"), "temperature": np.float32(0.9)}
    return client.predict("stream_start", typed("stream_start", given))["state_bytes"].item()


def typed(name, inputs):
    tensors = served.typed(served.signatures("vocoder")[name], inputs)
    return {key: value.numpy() for key, value in tensors.items()}


def default_request(frames=5):
    return typed("serving_default", {"mel": served.mel(frames), **served.conditions("vocoder")})


def test_whole_utterances_over_grpc_and_rest(client):
    request = default_request()
    expected = served.generated("vocoder", request)
    assert_same_audio(client.predict("serving_default", request)["audio"], expected)
    assert_same_audio(client.rest("serving_default", request), expected)


def test_recordings_over_grpc_and_rest(client):
    recordings, given = served.recordings(200), served.conditions("vocoder")
    expected = served.call("vocoder", "vocode", audio=recordings, **given)["audio"]
    request = typed("vocode", {"audio": recordings, **given})
    assert_same_audio(client.predict("vocode", request)["audio"], expected)
    assert_same_audio(client.rest("vocode", request), expected)


@pytest.mark.parametrize("way", ["grpc", "rest"])
def test_a_stream_whose_state_the_client_holds(client, way):
    given, mel = served.conditions("vocoder"), served.mel(7)

    def call(name, **inputs):
        request = typed(name, inputs)
        if way == "grpc":
            outputs = client.predict(name, request)
            return {**outputs, "state_bytes": outputs["state_bytes"].item()}
        outputs = client.rest(name, request)
        return outputs if name == "stream_step" else {"state_bytes": outputs}

    outputs, parts = call("stream_start", **given), []
    for first, last in ((0, 3), (3, 6), (6, 7)):
        state = outputs["state_bytes"]
        if isinstance(state, dict):
            state = base64.b64decode(state["b64"])
        outputs = call("stream_step", state_bytes=state, mel=mel[:, first:last], is_last=last == 7)
        parts.append(outputs["audio"])
    expected = served.generated("vocoder", {"mel": mel, **given})
    assert_same_audio(np.concatenate(parts, axis=1), expected)


def test_the_server_describes_the_model(client):
    mel = client.signature_definitions()["serving_default"].inputs["mel"]
    assert [dim.size for dim in mel.tensor_shape.dim] == [-1, -1, MELS]
    status, content = client.get()
    assert status == 200
    assert content["model_version_status"][0]["state"] == "AVAILABLE"


@pytest.mark.parametrize("path", ["/metadata", "/versions/1/metadata"])
def test_the_server_describes_the_model_over_rest(client, path):
    status, content = client.get(path)
    assert status == 200
    assert content["model_spec"] == {"name": serving.MODEL, "version": "1", "signature_name": ""}
    definitions = content["metadata"]["signature_def"]["signature_def"]
    mel = definitions["serving_default"]["inputs"]["mel"]
    assert mel["dtype"] == "DT_FLOAT"
    assert [dim["size"] for dim in mel["tensor_shape"]["dim"]] == ["-1", "-1", str(MELS)]
    assert set(served.signatures("vocoder")) <= set(definitions)


def test_the_recipe_over_grpc_and_rest(client):
    expected = RECIPE.get_config()
    assert json.loads(client.predict("recipe", {})["recipe"].item()) == expected
    assert json.loads(client.rest("recipe", {})) == expected


def test_many_clients_at_a_time(client):
    requests = [default_request(frames) for frames in (1, 2, 3, 4, 5, 6)]
    with concurrent.futures.ThreadPoolExecutor(6) as executor:
        answers = list(executor.map(lambda r: client.predict("serving_default", r), requests))
    for request, answer in zip(requests, answers):
        assert_same_audio(answer["audio"], served.generated("vocoder", request))


def foreign_states(state):
    """States of other models, and bytes that no model returned."""
    given = {kind: served.conditions(kind) for kind in ("codes", "vectors")}
    foreign = [served.call(kind, "stream_start", **given[kind])["state_bytes"] for kind in given]
    damaged = [
        state[:position] + bytes([state[position] ^ 1]) + state[position + 1 :]
        for position in (0, 19, 20, 25, 60, len(state) // 2, len(state) - 1)
    ]
    cut = [state[:length] for length in (0, 1, 19, 20, 21, len(state) - 1)]
    return [*foreign, *damaged, *cut, state + b"x", b"state", b"0" * 20, bytes(500)]


def refusal(client, signature, inputs):
    """The status and the sentence that a request gets."""
    try:
        return f"answered {list(client.predict(signature, inputs))}"
    except grpc.RpcError as error:
        return f"{error.code().name} {error.details()}"


def is_refused_with(message, answer):
    one_sentence = len(answer.splitlines()) == 1
    return answer.startswith("INVALID_ARGUMENT ") and message in answer and one_sentence


def test_malformed_requests_get_a_sentence_and_the_server_lives_on(client, state):
    requests = list(bad_requests("vocoder", state, foreign_states(state)))
    assert len(requests) >= 200
    unexpected = [
        f"{signature}, {message}: {answer}"
        for signature, inputs, message in requests
        if not is_refused_with(message, answer := refusal(client, signature, inputs))
    ]
    assert unexpected == []
    request = default_request()
    expected = served.generated("vocoder", request)
    assert_same_audio(client.predict("serving_default", request)["audio"], expected)
    for name in ("serving_default", "vocode", "stream_start", "stream_step"):
        client.predict(name, good("vocoder", name, state))


@pytest.mark.slow
def test_memory_stays_flat(exported):
    with local_server.running(
        "examples.prediction_server",
        f"--name={serving.MODEL}",
        f"--path={exported('vocoder').parent}",
        "--port=0",
        "--rest_port=0",
    ) as server:
        service, request = local_server.stub(server.port), default_request()

        def many(count):
            for _ in range(count):
                local_server.predict(service, serving.MODEL, "serving_default", request)
            return server.resident_bytes()

        warm = many(100)
        assert many(300) - warm < 10e6


def splat(dtype, *sizes):
    """A message of a few bytes that stands for a tensor of one value."""
    proto = tf.make_tensor_proto(np.zeros([1], tf.dtypes.as_dtype(dtype).as_numpy_dtype))
    proto.ClearField("tensor_shape")
    for size in sizes:
        proto.tensor_shape.dim.add(size=size)
    return proto


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        ("mel", splat(tf.float32, 2, 2**27 // 8, MELS), "tensor parsing error: mel: expected at"),
        ("mel", splat(tf.float64, 2, 2**27 // 8, MELS), "Expected mel of dtype float32"),
        ("mel", splat(tf.float32, -2, -500, MELS), "tensor parsing error"),
        ("other", splat(tf.float32, 2**27), "Expected the inputs"),
        ("seed", splat(tf.int64, 2**26), "tensor parsing error: seed"),
    ],
)
def test_a_message_of_a_few_bytes_takes_no_memory(client, name, tensor, message):
    client.predict("serving_default", default_request())
    before = client.resident_bytes()
    answer = refusal(client, "serving_default", {**default_request(), name: tensor})
    assert is_refused_with(message, answer), answer
    assert client.resident_bytes() - before < 100e6


@pytest.mark.parametrize("number", [0, 22, 23, 99, 119, 12345])
def test_an_unknown_dtype_is_an_invalid_argument(client, number):
    proto = splat(tf.float32, 2)
    proto.dtype = number
    answer = refusal(client, "serving_default", {**default_request(), "temperature": proto})
    assert is_refused_with("Expected temperature of dtype float32", answer), answer


@pytest.mark.parametrize("item", [b"[],", b"{},", b"[[]],"])
def test_empty_lists_take_no_memory(client, item):
    client.get()
    before = client.resident_bytes()
    body = b'{"inputs": {"mel": [' + item * (5_000_000 // len(item)) + b"[]]}}"
    status, content = client.post(body)
    assert (status, "lists" in content["error"]) == (400, True)
    assert client.resident_bytes() - before < 100e6


def long_request():
    """As much as the signature allows at once."""
    frames = served.LIMITS.samples // HOP
    inputs = {"mel": served.mel(frames, 4), **served.conditions("vocoder", 4)}
    return typed("serving_default", inputs)


def test_utterances_that_are_too_long_together_are_refused(exported):
    from tests.support.served import network
    from tfwavenet.export.signatures import Limits, signatures_of

    limits = Limits(samples=4000, batch=4, total_samples=4000)
    made = signatures_of(network("vocoder"), chunk_samples=48, limits=limits, jit_compile=False)
    request = long_request()
    with pytest.raises(tf.errors.InvalidArgumentError, match="Expected at most 4000 samples in a"):
        made["serving_default"].function(*(tf.constant(value) for value in request.values()))


def test_a_request_whose_client_has_gone_makes_room(client):
    """Sixteen requests that nobody waits for must not keep the eight threads of the server."""
    request = long_request()
    began = time.monotonic()
    expected = client.predict("serving_default", request)
    alone = time.monotonic() - began
    for _ in range(16):
        with contextlib.suppress(grpc.RpcError):
            client.predict("serving_default", request, timeout=min(0.2, alone / 4))
    abandoned = b'{"inputs": ' + json.dumps({k: v.tolist() for k, v in request.items()}).encode()
    for _ in range(4):
        with socket.create_connection(("127.0.0.1", client.rest_port)) as connection:
            head = f"POST /v1/models/{serving.MODEL}:predict HTTP/1.1\r\nHost: a\r\n"
            head += f"Content-Length: {len(abandoned) + 1}\r\n\r\n"
            connection.sendall(head.encode() + abandoned + b"}")
    again = client.predict("serving_default", request)
    assert_same_audio(again["audio"], expected["audio"])
    assert client.get()[0] == 200


def test_an_idle_client_is_disconnected_and_leaves_no_traceback(exported, capfd):
    from examples import prediction_server
    from examples.served_model import ServedModel

    model = ServedModel(serving.MODEL, str(exported("vocoder").parent))
    handler = prediction_server.rest_handler(model, idle_seconds=0.3)
    server = prediction_server.WebServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        for sent in (
            b"",
            b"GET /v1",
            b"POST /v1/models/tiny:predict HTTP/1.1\r\nContent-Length: 9\r\n\r\n{",
        ):
            with socket.create_connection(server.server_address, timeout=60) as connection:
                connection.sendall(sent)
                assert connection.recv(1000) == b""
        with socket.create_connection(server.server_address) as connection:
            options = struct.pack("ii", 1, 0)  # closing sends a reset
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, options)
            connection.sendall(b"GET /v1/models/tiny HTTP/1.1\r\n\r\n" * 50)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert "Traceback" not in capfd.readouterr().err


def test_a_stream_that_has_ended_does_not_go_on(client, state):
    last = {"mel": served.mel(3), "is_last": np.array(True)}
    ended = client.predict("stream_step", {"state_bytes": state, **last})["state_bytes"]
    with pytest.raises(grpc.RpcError, match="Expected the state of a stream that goes on"):
        client.predict("stream_step", {"state_bytes": ended, **last})


def test_another_model_is_not_found(client):
    with pytest.raises(grpc.RpcError, match="Servable not found") as caught:
        client.predict("recipe", {}, model="other")
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "JSON Parse error"),
        (b"{", "JSON Parse error"),
        (b"[]", "JSON Parse error"),
        (b"{}", "JSON Parse error"),
        (b'{"inputs": 3}', "JSON Parse error"),
        (b"[" * 200_000, "too many within one another"),
        (b'{"inputs": {"mel": ' + b"[" * 500 + b"]" * 500 + b"}}", "JSON Parse error"),
        (b"\xff", "JSON Parse error"),
        (b'{"instances": [{"mel": [[0]]}]}', 'expected "inputs", the columnar format'),
        (b'{"signature_name": ["no"], "inputs": {}}', "expected a name"),
        (b'{"signature_name": "no", "inputs": {}}', "not found in signature def"),
        (b'{"inputs": {}}', "Expected the inputs"),
        (b'{"inputs": {"mel": "text"}}', "mel must hold values of dtype float32"),
        (b'{"inputs": {"mel": [[1], [1, 2]]}}', "JSON Parse error"),
        (b'{"inputs": {"seed": [0.5]}}', "seed must hold values of dtype int64"),
        (b'{"signature_name": "stream_step", "inputs": {"state_bytes": {"b": 1}}}', "JSON Parse"),
    ],
)
def test_malformed_rest_requests_get_a_sentence(client, body, message):
    status, content = client.post(body)
    assert status == 400
    assert message in content["error"]
    assert client.post(body, verb=":classify")[0] == 404
    assert client.get()[0] == 200


@pytest.mark.parametrize("length", [None, "", "many", "-1", "1.5", "9" * 30, "9" * 15])
def test_a_body_of_unknown_length_is_refused_in_a_sentence(client, length):
    status, content = client.post_with_length(length)
    assert status == 400
    assert "Expected a" in content["error"]
    assert client.get()[0] == 200


@pytest.mark.parametrize("path", ["/versions/2/metadata", f"/versions/{'9' * 5000}"])
def test_another_version_is_not_found_over_rest(client, path):
    assert client.get(path)[0] == 404


def test_the_example_client_streams_a_wav(client, tmp_path):
    audio_files.write(tmp_path / "some.wav", voice(0.3, sample_rate=4000), 4000)
    where = [f"127.0.0.1:{client.port}", serving.MODEL, str(tmp_path / "some.wav")]
    command = [sys.executable, "-m", "examples.stream_client", *where, str(tmp_path / "again.wav")]
    subprocess.run([*command, "speaker=2"], cwd=REPOSITORY, check=True, timeout=300)
    audio, rate = audio_files.read(tmp_path / "again.wav")
    original, _ = audio_files.read(tmp_path / "some.wav")
    mel = RECIPE.analyze(original)[1]
    expected = served.network("vocoder").generate(mel, speaker=2, jit_compile=False)
    assert rate == 4000
    assert len(audio) == len(mel) * HOP
    np.testing.assert_allclose(audio, np.clip(expected, -1, 1), atol=1e-3)
