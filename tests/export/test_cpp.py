"""What TF Serving does, without Python: a C++ program loads the directory and runs signatures.

TensorFlow's own XLA compiler is switched off in it, as TF Serving has it unless told otherwise.
"""

from __future__ import annotations

import pathlib
import shutil
import subprocess

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2

from tests.export.bad_requests import bad_requests, found_by_the_graph
from tests.support import served
from tests.support.served import HOP, KINDS, STREAMED, assert_same_audio

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler"),
]
LIBRARIES = pathlib.Path(tf.sysconfig.get_lib())


@pytest.fixture(scope="module")
def loader(tmp_path_factory):
    """The program, compiled against the headers and libraries of the installed TensorFlow."""
    program = tmp_path_factory.mktemp("cpp") / "loader"
    source = pathlib.Path(__file__).with_name("loader.cc")
    flags = [*tf.sysconfig.get_compile_flags(), *tf.sysconfig.get_link_flags()]
    flags += [f"-Wl,-rpath,{LIBRARIES}", "-l:libtensorflow_cc.so.2"]
    subprocess.run(["g++", "-o", program, source, *flags], check=True, timeout=600)
    return program


@pytest.fixture
def answers(loader, exported, tmp_path):
    """A function that has requests answered; gives status and outputs of each, in their order."""

    def run(kind, form, requests, xla="no-xla"):
        folders = [tmp_path / f"{name}@{i}" for i, (name, _) in enumerate(requests)]
        for folder, (_, inputs) in zip(folders, requests):
            folder.mkdir()
            for name, value in inputs.items():
                content = tf.make_tensor_proto(value).SerializeToString()
                (folder / f"{name}.in").write_bytes(content)
        command = [loader, exported(kind, form), tmp_path, xla]
        subprocess.run(command, check=True, timeout=300, capture_output=True)
        return [((folder / "status").read_text(), _outputs(folder)) for folder in folders]

    return run


def _outputs(folder):
    protos = {
        path.stem: tensor_pb2.TensorProto.FromString(path.read_bytes())
        for path in folder.glob("*.out")
    }
    return {name: tf.make_ndarray(proto) for name, proto in protos.items()}


def typed(kind, name, given):
    """The inputs of a signature, as arrays of its types."""
    tensors = served.typed(served.signatures(kind)[name], given)
    return {key: tensor.numpy() for key, tensor in tensors.items()}


def requests_for(kind):
    """One request per signature of a network, of its own types."""
    given = {
        **served.source(kind, 7),
        **served.conditions(kind),
        "is_last": True,
        "prompt": served.recordings(30),
    }
    if "vocode" in served.signatures(kind):
        given["audio"] = served.recordings(200)
    given["state_bytes"] = served.begun(kind)
    return [(name, typed(kind, name, given)) for name in served.signatures(kind)]


def assert_answered(kind, requests, answers):
    """Asserts that every signature gave what it gives in Python, bytes to the bit."""
    for (name, inputs), (status, outputs) in zip(requests, answers):
        assert status == "OK", name
        expected = served.call(kind, name, **inputs)
        assert set(outputs) == set(expected)
        for key, value in expected.items():
            if key == "audio":
                assert_same_audio(outputs[key], value)
            elif key == "recipe" or name == "stream_start":
                assert outputs[key].item() == value


@pytest.mark.parametrize("kind", KINDS)
def test_every_signature_of_the_portable_form(answers, kind):
    requests = requests_for(kind)
    assert_answered(kind, requests, answers(kind, "portable", requests))


@pytest.mark.parametrize("kind", STREAMED)
def test_python_goes_on_with_the_stream_of_the_program(answers, kind):
    given, source = served.conditions(kind), served.source(kind, 7)
    pieces = [{"samples": 3 * HOP}, {"samples": 4 * HOP}]
    if "mel" in source:
        mel = source["mel"]
        pieces = [{"mel": mel[:, :3], "is_last": False}, {"mel": mel[:, 3:], "is_last": True}]
    request = typed(kind, "stream_step", {"state_bytes": served.begun(kind), **pieces[0]})
    ((status, first),) = answers(kind, "portable", [("stream_step", request)])
    assert status == "OK"
    state = first["state_bytes"].item()
    second = served.call(kind, "stream_step", state_bytes=state, **pieces[1])
    audio = np.concatenate([first["audio"], second["audio"]], axis=1)
    assert_same_audio(audio, served.generated(kind, {**source, **given}))


def test_python_goes_on_from_the_recording_that_the_program_took(answers):
    given = {"prompt": served.recordings(100), **served.conditions("codes")}
    request = typed("codes", "stream_prompt", given)
    ((status, outputs),) = answers("codes", "portable", [("stream_prompt", request)])
    assert status == "OK"
    state = outputs["state_bytes"].item()
    audio = served.call("codes", "stream_step", state_bytes=state, samples=70)["audio"]
    assert_same_audio(audio, served.generated("codes", {"samples": 70, **given}))


@pytest.mark.parametrize("kind", ["vocoder", "student", "diffwave"])
def test_every_signature_of_the_xla_form_where_xla_is_allowed(answers, kind):
    requests = requests_for(kind)
    assert_answered(kind, requests, answers(kind, "xla", requests, xla="xla"))


def test_the_xla_form_is_refused_where_xla_is_switched_off(answers):
    requests = [r for r in requests_for("vocoder") if r[0] == "serving_default"]
    ((status, _),) = answers("vocoder", "xla", requests)
    assert "XLA compilation disabled" in status


@pytest.mark.parametrize("kind", KINDS)
def test_requests_that_do_not_fit_get_a_sentence(answers, kind):
    found = found_by_the_graph(bad_requests(kind, served.begun(kind), [b"0" * 50]))
    assert len(found) > 25
    requests = [(name, inputs) for name, inputs, _ in found]
    for (status, _), (name, _, message) in zip(answers(kind, "portable", requests), found):
        assert status.startswith("INVALID_ARGUMENT: assertion failed"), f"{name}: {message}"
        assert message in status, f"{name}: {message}"
        np.testing.assert_equal(status.count("Received"), 1)
