"""The exported directory: whole, versioned, described, and all that is needed to answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from tests.support import served
from tests.support.served import KINDS, MELS, RECIPE, STREAMED, assert_same_audio
from tfwavenet import FeatureRecipe, export_saved_model, files
from tfwavenet.export import saved_model, warmup

WARMUP = "assets.extra/tf_serving_warmup_requests"


def graph_of(folder):
    """The stored message, and every node of its graph and functions."""
    saved = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    graph = saved.meta_graphs[0].graph_def
    nodes = [*graph.node, *(node for f in graph.library.function for node in f.node_def)]
    return saved.meta_graphs[0], nodes


_OTHER_PROCESS = """
import json, sys
import numpy as np
import tensorflow as tf
sys.modules["tfwavenet"] = None  # importing it fails, installed or not
folder, requests, answers = sys.argv[1:]
signatures = tf.saved_model.load(folder).signatures
outputs = {}
for name in json.load(open(f"{requests}/names.json")):
    inputs = dict(np.load(f"{requests}/{name}.npz"))
    outputs[name] = signatures[name](**{k: tf.constant(v) for k, v in inputs.items()})["audio"]
if "stream_start" in signatures:
    state = signatures["stream_start"](**{k: tf.constant(inputs[k]) for k in inputs if k != "mel"})
    last = {"mel": inputs["mel"], "is_last": True}
    outputs["stream"] = signatures["stream_step"](**state, **last)["audio"]
np.savez(answers, **{name: audio.numpy() for name, audio in outputs.items()})
"""


@pytest.mark.parametrize("kind", ["vocoder", "student", "diffwave"])
def test_a_process_without_the_package_gives_the_same_audio(exported, tmp_path, kind):
    recordings, given = served.recordings(200), served.conditions(kind)
    requests = {
        "vocode": {"audio": recordings, **given},
        "serving_default": {"mel": served.mel(7), **given},
    }
    files.write_json(tmp_path / "names.json", list(requests))
    for name, inputs in requests.items():
        typed = served.typed(served.signatures(kind)[name], inputs)
        np.savez(tmp_path / f"{name}.npz", **{key: value.numpy() for key, value in typed.items()})
    arguments = [exported(kind), tmp_path, tmp_path / "answers.npz"]
    command = [sys.executable, "-c", _OTHER_PROCESS, *map(str, arguments)]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=300)
    answers = np.load(tmp_path / "answers.npz")
    mel = np.stack([RECIPE.analyze(audio)[1] for audio in recordings])
    expected = {
        "vocode": served.generated(kind, {"mel": mel, **given}),
        "serving_default": served.generated(kind, requests["serving_default"]),
    }
    if kind in STREAMED:
        expected["stream"] = expected["serving_default"]
    assert set(answers) == set(expected)
    for name, audio in expected.items():
        assert_same_audio(answers[name], audio)


@pytest.mark.parametrize("kind", KINDS)
def test_the_portable_form_holds_nothing_that_xla_compiles(exported, kind):
    graph, nodes = graph_of(exported(kind))
    assert not [node.op for node in nodes if "Xla" in node.op]
    for holder in (*nodes, *graph.graph_def.library.function):
        assert not holder.attr["_XlaMustCompile"].b, holder


@pytest.mark.parametrize("kind", ["vocoder", "student", "diffwave"])
def test_the_xla_form_is_compiled_and_gives_the_same_audio(exported, kind):
    _, nodes = graph_of(exported(kind, "xla"))
    assert any(node.attr["_XlaMustCompile"].b for node in nodes)
    given = {**served.source(kind, 7), **served.conditions(kind)}
    inputs = served.typed(served.signatures(kind)["serving_default"], given)
    loaded = tf.saved_model.load(str(exported(kind, "xla")))
    audio = loaded.signatures["serving_default"](**inputs)["audio"]
    assert_same_audio(audio, served.generated(kind, given))


def test_one_form_goes_on_with_the_stream_of_the_other(exported):
    portable, xla = (
        tf.saved_model.load(str(exported("vocoder", form))).signatures
        for form in ("portable", "xla")
    )
    given, mel = served.conditions("vocoder"), served.mel(9)
    start = served.typed(served.signatures("vocoder")["stream_start"], given)
    first = portable["stream_step"](
        **portable["stream_start"](**start), mel=mel[:, :5], is_last=False
    )
    state = first["state_bytes"]
    second = xla["stream_step"](state_bytes=state, mel=mel[:, 5:], is_last=True)
    audio = np.concatenate([first["audio"], second["audio"]], axis=1)
    expected = served.generated("vocoder", {"mel": mel, **given})
    assert_same_audio(audio, expected)


def test_inputs_and_outputs_are_named_and_typed(exported):
    definitions = graph_of(exported("vocoder"))[0].signature_def
    default = definitions["serving_default"]
    described = {
        name: (tf.dtypes.as_dtype(info.dtype).name, [d.size for d in info.tensor_shape.dim])
        for name, info in (*default.inputs.items(), *default.outputs.items())
    }
    assert described == {
        "mel": ("float32", [-1, -1, MELS]),
        "speaker": ("int32", [-1]),
        "temperature": ("float32", []),
        "seed": ("int64", [-1]),
        "audio": ("float32", [-1, -1]),
    }
    assert default.method_name == "tensorflow/serving/predict"
    assert definitions["stream_step"].outputs["state_bytes"].dtype == tf.string.as_datatype_enum


def test_the_recipe_is_an_asset(exported):
    stored = files.read_json(exported("vocoder") / "assets.extra/recipe.json")
    assert FeatureRecipe.from_config(stored) == RECIPE
    assert not (exported("codes") / "assets.extra/recipe.json").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_warm_up_requests_are_what_the_server_reads_and_accepts(exported, kind):
    logs = pytest.importorskip("tensorflow_serving.apis.prediction_log_pb2")
    signatures = tf.saved_model.load(str(exported(kind))).signatures
    names = []
    for record in tf.data.TFRecordDataset(str(exported(kind) / WARMUP)):
        log = logs.PredictionLog.FromString(record.numpy())
        assert log.WhichOneof("log_type") == "predict_log"
        request = log.predict_log.request
        names.append(request.model_spec.signature_name)
        inputs = {key: tf.make_ndarray(proto) for key, proto in request.inputs.items()}
        signatures[names[-1]](**{key: tf.constant(value) for key, value in inputs.items()})
    assert names == list(served.signatures(kind))


def test_a_long_field_is_written_as_the_format_says():
    logs = pytest.importorskip("tensorflow_serving.apis.prediction_log_pb2")
    given = {"x": np.arange(100_000, dtype=np.int64), "empty": np.zeros([0, 3], np.float32)}
    log = logs.PredictionLog.FromString(warmup.prediction_log("name", given))
    for name, value in given.items():
        proto = log.predict_log.request.inputs[name]
        np.testing.assert_array_equal(tf.make_ndarray(proto), value)
    assert log.predict_log.request.model_spec.signature_name == "name"


class TestVersions:
    @pytest.fixture
    def model(self, monkeypatch):
        """A model whose tracing and saving are left out: a folder with a file is made."""

        def save(model, signatures, folder):
            (folder / "saved_model.pb").write_text("graph")

        monkeypatch.setattr(saved_model, "signatures_of", lambda model, **options: {})
        monkeypatch.setattr(saved_model, "_save", save)
        return served.network("codes")

    def test_count_up(self, model, tmp_path):
        (tmp_path / "served" / "7").mkdir(parents=True)
        (tmp_path / "served" / "notes").mkdir()
        assert export_saved_model(model, tmp_path / "served").name == "8"
        assert export_saved_model(model, tmp_path / "served").name == "9"
        assert export_saved_model(model, tmp_path / "served", version=3).name == "3"
        assert export_saved_model(model, tmp_path / "new").name == "1"

    def test_are_not_replaced(self, model, tmp_path):
        export_saved_model(model, tmp_path, version=2)
        with pytest.raises(FileExistsError, match="not replaced"):
            export_saved_model(model, tmp_path, version=2)

    def test_are_whole_or_absent(self, model, tmp_path, monkeypatch):
        def fail(*arguments):
            raise OSError("disk full")

        monkeypatch.setattr(warmup, "write", fail)
        with pytest.raises(OSError, match="disk full"):
            export_saved_model(model, tmp_path)
        assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"form": "jit"}, r"form must be one of .*Received: form='jit'"),
        ({"version": 0}, "version must be at least 1. Received: version=0"),
        ({"max_batch": 0}, "max_batch must be at least 1. Received: max_batch=0"),
        ({"max_total_samples": 9}, "max_total_samples must be at least 57. Received: max_total"),
        ({"chunk_samples": 0}, "chunk_samples must be at least 1. Received: chunk_samples=0"),
        ({"max_samples": 56}, "max_samples must be at least 57. Received: max_samples=56"),
    ],
)
def test_what_cannot_be_exported_is_refused(arguments, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        export_saved_model(served.network("vocoder"), tmp_path / "served", **arguments)
    assert not (tmp_path / "served").exists()


def test_weights_of_training_stay_out(tmp_path):
    model = served.KINDS["codes"]()
    model.compile(keras.optimizers.Adam(1e-3))
    model.fit({"audio": np.zeros([1, 50], np.float32)}, verbose=0)
    folder = export_saved_model(model, tmp_path, chunk_samples=served.CHUNK)
    names = [name for name, _ in tf.train.list_variables(str(folder / "variables" / "variables"))]
    assert len(names) == len(model.weights) + 1  # and the graph of the objects
    assert json.dumps(names).lower().count("adam") == 0
