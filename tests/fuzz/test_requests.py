"""Damaged requests to a served model: an answer, or a sentence with the status of a bad request."""

from __future__ import annotations

import json

import pytest
import tensorflow as tf

pytest.importorskip("tensorflow_serving")

from google.protobuf.message import DecodeError
from tensorflow_serving.apis import predict_pb2

from examples import rest
from examples.served_model import RequestError, ServedModel
from tests.support import damages, served
from tests.support.served import LIMITS
from tfwavenet.export import export_saved_model

NAME = "tiny"
COUNTS = pytest.mark.parametrize("count", [150, pytest.param(3000, marks=pytest.mark.slow)])


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    limits = {"max_samples": LIMITS.samples, "max_batch": LIMITS.batch}
    network = served.network("vocoder")
    export_saved_model(network, folder, chunk_samples=served.CHUNK, **limits)
    return ServedModel(NAME, str(folder))


def inputs():
    given = {"mel": served.mel(2), **served.conditions("vocoder")}
    tensors = served.typed(served.signatures("vocoder")["serving_default"], given)
    return {key: value.numpy() for key, value in tensors.items()}


def assert_answered_or_refused(action):
    """Returns the refusal. If None, the request was answered."""
    refusal = None
    with damages.bounded():
        try:
            action()
        except RequestError as error:
            refusal = error
    if refusal is not None:
        assert refusal.code in (tf.errors.INVALID_ARGUMENT, tf.errors.NOT_FOUND), refusal
        assert len(str(refusal).splitlines()) == 1
    return refusal


@COUNTS
def test_damaged_messages(model, count):
    request = predict_pb2.PredictRequest(
        model_spec={"name": NAME, "signature_name": "serving_default"},
        inputs={name: tf.make_tensor_proto(value) for name, value in inputs().items()},
    )
    assert assert_answered_or_refused(lambda: model.predict(request)) is None
    parsed = 0
    for content in damages.of_bytes(request.SerializeToString(deterministic=True), count):
        try:
            damaged = predict_pb2.PredictRequest.FromString(content)
        except DecodeError:
            continue  # such a message does not reach a server's code
        parsed += 1
        assert_answered_or_refused(lambda d=damaged: model.predict(d))
    assert parsed


@COUNTS
def test_damaged_bodies(model, count):
    body = {
        "signature_name": "serving_default",
        "inputs": {name: value.tolist() for name, value in inputs().items()},
    }
    path = f"/v1/models/{NAME}:predict"
    contents = [damages.json_bytes(value) for value in damages.of_json(body, count // 2)]
    contents += damages.of_bytes(json.dumps(body).encode(), count // 2)
    for content in contents:
        with damages.bounded():
            status, answer = rest.answer(model, "POST", path, content)
        assert status in (200, 400, 404), answer
        if status != 200:
            assert len(answer["error"].splitlines()) == 1


def test_a_request_that_nobody_waits_for_ends(model):
    from examples.served_model import Cancellation

    cancellation = Cancellation()
    cancellation.start_cancel()
    with pytest.raises(RequestError) as caught:
        model.run("serving_default", inputs(), cancellation)
    assert caught.value.code == tf.errors.CANCELLED


def test_limits_follow_from_the_export(model):
    total = LIMITS.samples * LIMITS.batch
    assert model.most_bytes >= 4 * total * served.MELS
    assert model.most_bytes < 2**28
