"""Presets: a folder of data that gives back the model, and refuses what is not whole."""

from __future__ import annotations

import http.server
import json
import os
import pathlib
import re
import subprocess
import sys
import threading

import h5py
import numpy as np
import pytest

import tfwavenet
from tests.support.clips import clip, diffusion_network, network, student_network
from tfwavenet.models import DiffWave, WaveNet, presets

LARGEST_BYTES, LARGEST_TOTAL_BYTES = 3_000_000, 8_000_000


MAKERS = {"WaveNet": network, "DiffWave": diffusion_network, "ParallelWaveNet": student_network}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A preset of a small WaveNet of two speakers, and the model."""
    model = network(num_speakers=2, speaker_channels=2)
    folder = tmp_path_factory.mktemp("presets") / "two_voices"
    return model.save_to_preset(folder, speakers=["ann", "bob"], step=17), model


@pytest.mark.parametrize("name", MAKERS)
def test_a_model_comes_back_to_the_bit(name, tmp_path):
    model = MAKERS[name]()
    folder = model.save_to_preset(tmp_path / "preset")
    again = type(model).from_preset(folder)
    mel = clip("x", 0.1).mel
    np.testing.assert_array_equal(again.generate(mel, seed=3), model.generate(mel, seed=3))
    assert type(tfwavenet.from_preset(folder)) is type(model)
    assert again.get_config() == model.get_config()


def test_files_are_data(saved):
    folder, model = saved
    assert {path.name for path in folder.iterdir()} == {
        "README.md",
        "config.json",
        "metadata.json",
        "model.weights.h5",
    }
    described = json.loads((folder / "config.json").read_text())
    assert described["class_name"] == "WaveNet"
    metadata = json.loads((folder / "metadata.json").read_text())
    assert metadata["tfwavenet_version"] == tfwavenet.__version__
    assert metadata["parameters"] == model.count_params()
    assert presets.read(folder).speakers == ["ann", "bob"]
    assert presets.read(folder).step == 17
    assert "from_preset('two_voices')" in (folder / "README.md").read_text()


def test_float16_halves_the_file_and_little_else(tmp_path):
    model = network(residual_channels=64, gate_channels=128)
    whole = model.save_to_preset(tmp_path / "whole")
    half = model.save_to_preset(tmp_path / "half", weights_dtype="float16")
    sizes = [(folder / "model.weights.h5").stat().st_size for folder in (whole, half)]
    assert sizes[1] < 0.7 * sizes[0]
    again = tfwavenet.from_preset(half)
    for ours, theirs in zip(again.get_weights(), model.get_weights()):
        assert ours.dtype == np.float32
        np.testing.assert_array_equal(ours, theirs.astype(np.float16).astype(np.float32))


def test_float16_refuses_weights_beyond_its_range(tmp_path):
    model = network()
    model.set_weights([weight + 1e5 for weight in model.get_weights()])
    with pytest.raises(ValueError, match="takes weights up to 65504. Received: 1"):
        model.save_to_preset(tmp_path / "preset", weights_dtype="float16")
    assert list(tmp_path.iterdir()) == []


def test_precision_is_the_choice_of_who_loads(saved):
    folder, _ = saved
    model = WaveNet.from_preset(folder, precision="mixed_bfloat16")
    assert model.network.compute_dtype == "bfloat16"
    assert tfwavenet.from_preset(folder).network.compute_dtype == "float32"


def test_the_optimizer_is_not_saved(tmp_path):
    model = network()
    model.compile("adam")
    model.optimizer.build(model.trainable_variables)
    folder = model.save_to_preset(tmp_path / "preset")
    with h5py.File(folder / "model.weights.h5") as file:
        names = []
        file.visit(names.append)
    assert not [name for name in names if "optimizer" in name]


def test_what_exists_is_not_replaced(saved):
    folder, model = saved
    before = (folder / "config.json").read_bytes()
    with pytest.raises(OSError, match="exists and is not replaced"):
        model.save_to_preset(folder)
    assert (folder / "config.json").read_bytes() == before


def test_speakers_must_have_names(tmp_path):
    model = network(num_speakers=2, speaker_channels=2)
    with pytest.raises(ValueError, match=r"names for the model's 2 speakers. Received: .*'ann'"):
        model.save_to_preset(tmp_path / "preset", speakers=["ann"])
    folder = model.save_to_preset(tmp_path / "preset")
    assert presets.read(folder).speakers == ["0", "1"]


def test_recommended_sampling_must_be_known_to_the_model(tmp_path):
    with pytest.raises(
        ValueError, match=r"of WaveNet.generate \(did you mean 'top_p'\?\).*: top_q"
    ):
        network().save_to_preset(tmp_path / "preset", sampling={"top_q": 0.9})
    assert list(tmp_path.iterdir()) == []


def test_another_class_is_refused(saved):
    with pytest.raises(ValueError, match=r"DiffWave.from_preset takes .* Received: .* a WaveNet"):
        DiffWave.from_preset(saved[0])


def test_unknown_names_are_refused_with_what_there_is(tmp_path):
    with pytest.raises(ValueError, match=r"preset must be one of .* Received: preset='nothing'"):
        tfwavenet.from_preset("nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"expected to have the files .* without metadata.json"):
        tfwavenet.from_preset(tmp_path / "empty")


def damaged(folder, name, change):
    """Copies a preset and changes one of its files."""
    target = folder.parent / f"damaged_{name}"
    subprocess.run(["cp", "-r", folder, target], check=True)
    path = target / name
    path.write_bytes(change(path.read_bytes()))
    return target


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("model.weights.h5", lambda data: data[:-1] + b"x", "model.weights.h5 .* checksum"),
        ("config.json", lambda data: data.replace(b'"seed": 0', b'"seed": 1'), "config.json .* ch"),
        ("config.json", lambda data: data[:40], "is damaged"),
        ("metadata.json", lambda data: b"[]", "is damaged"),
        ("metadata.json", lambda data: b"{}", "is damaged"),
    ],
)
def test_changed_files_are_refused(saved, name, change, message, tmp_path):
    folder = damaged(saved[0], name, change)
    try:
        with pytest.raises(ValueError, match=message):
            tfwavenet.from_preset(folder)
    finally:
        subprocess.run(["rm", "-r", folder], check=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"class_name": "Lambda"}, "hold a model of this package. Received: class_name='Lambda'"),
        ({"class_name": "CausalConv1D"}, "hold a model of this package"),
        ({"config": {"unheard_of": 1}}, "does not fit version"),
    ],
)
def test_only_models_of_this_package_are_built(saved, change, message, tmp_path):
    folder = tmp_path / "preset"
    subprocess.run(["cp", "-r", saved[0], folder], check=True)
    described = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**described, **change}))
    metadata = json.loads((folder / "metadata.json").read_text())
    metadata["checksums"]["config.json"] = presets._checksum(folder / "config.json")
    (folder / "metadata.json").write_text(json.dumps(metadata))
    with pytest.raises(ValueError, match=message):
        tfwavenet.from_preset(folder)


def test_the_presets_of_the_package_are_whole_and_small():
    entries = tfwavenet.presets()
    sizes = []
    for name, entry in entries.items():
        found = presets.read(name)
        sizes.append(sum(path.stat().st_size for path in found.path.iterdir()))
        assert sizes[-1] <= LARGEST_BYTES, name
        assert entry["class_name"] == found.class_name
        model = tfwavenet.from_preset(name)
        assert model.count_params() == entry["parameters"]
        card = (found.path / "README.md").read_text()
        assert re.search(r"^license: ", card, flags=re.MULTILINE), name
        assert "PESQ" in card
        assert "tfwavenet-train" in card
    assert sum(sizes) <= LARGEST_TOTAL_BYTES


class Hub(http.server.BaseHTTPRequestHandler):
    """The part of Hugging Face's interface by which a client fetches the files of a model."""

    folder: pathlib.Path
    commit = "0123456789abcdef0123456789abcdef01234567"

    def do_HEAD(self):
        self.answer(with_body=False)

    def do_GET(self):
        self.answer(with_body=True)

    def answer(self, *, with_body):
        if found := re.fullmatch(r"/ann/voice/resolve/[^/]+/([\w.]+)", self.path):
            data = (self.folder / found[1]).read_bytes()
            self.send(data, {"ETag": f'"{found[1]}"', "X-Repo-Commit": self.commit}, with_body)
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

    def send(self, data, headers, with_body):
        self.send_response(200)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(data)

    def log_message(self, *args):
        pass


@pytest.mark.slow
def test_a_preset_is_fetched_from_hugging_face(saved, tmp_path):
    """The real client against a server on this machine, in a process of its own."""
    pytest.importorskip("huggingface_hub")
    handler = type("OurHub", (Hub,), {"folder": saved[0]})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    program = (
        "import tfwavenet, sys\n"
        "print(tfwavenet.from_preset('hf://ann/voice').count_params())\n"
        "try:\n"
        "    tfwavenet.from_preset('hf://ann/nothing')\n"
        "except ValueError as error:\n"
        "    print(error)\n"
    )
    environment = {
        **os.environ,
        "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
        "HF_HOME": str(tmp_path),
    }
    try:
        done = subprocess.run(
            [sys.executable, "-c", program],
            check=True,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
    finally:
        server.shutdown()
        server.server_close()
    count, error = done.stdout.strip().splitlines()
    assert int(count) == saved[1].count_params()
    assert error.startswith("The preset could not be fetched")
    assert error.endswith("Received: preset='hf://ann/nothing'")
