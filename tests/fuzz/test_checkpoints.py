"""Damaged and malicious checkpoints and hyper-parameters: a network, or a sentence, in bounds."""

from __future__ import annotations

import io
import json
import pathlib
import pickle
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from tests.support import checkpoints, damages
from tfwavenet import interop
from tfwavenet.interop import checkpoint, meanvar_joblib, torch_files

FILES = checkpoints.FILES
FEW, MANY = 60, 2000
COUNTS = pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])


def assert_read_or_refused(action: Callable[[], Any]) -> Any:
    found = damages.result_or_refusal(action)
    if isinstance(found, damages.Refusal):
        assert "Received: " in found.sentence
    return found


@COUNTS
@pytest.mark.parametrize(
    "name", ["nv_wavenet_run.zip.pt", "nv_wavenet_run.stream.pt", "philsyn_unconditional.pkl"]
)
def test_damaged_files_of_pytorch(tmp_path, name, count):
    path = tmp_path / name
    whole = (FILES / name).read_bytes()
    for number, content in enumerate(damages.of_bytes(whole, count)):
        path.write_bytes(content)
        # Building a network takes longer than reading its tensors.
        read = interop.load if number < count // 10 else checkpoint.read
        assert_read_or_refused(lambda read=read: read(path))


@COUNTS
def test_damaged_instructions_of_a_pickle(tmp_path, count):
    with zipfile.ZipFile(FILES / "nv_wavenet_run.zip.pt") as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    (pickled,) = [name for name in contents if name.endswith("data.pkl")]
    path = tmp_path / "damaged.pt"
    for content in damages.of_bytes(contents[pickled], 2 * count):
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in contents.items():
                archive.writestr(name, content if name == pickled else data)
        assert_read_or_refused(lambda: checkpoint.read(path))


@COUNTS
@pytest.mark.parametrize("family", ["ibab", "revsic"])
def test_damaged_checkpoints_of_tensorflow(tmp_path, family, count):
    write = {
        "ibab": lambda: checkpoints.write_ibab(tmp_path, checkpoints.ibab_variables(True, None)),
        "revsic": lambda: checkpoints.write_revsic(tmp_path, checkpoints.revsic_variables()),
    }
    prefix = pathlib.Path(str(write[family]()).replace(".index", ""))
    for path in prefix.parent.glob(f"{prefix.name}.*"):
        whole = path.read_bytes()
        for content in damages.of_bytes(whole, count // 2):
            path.write_bytes(content)
            assert_read_or_refused(lambda: checkpoint.read(prefix))
        path.write_bytes(whole)


HYPERPARAMETERS: dict[str, Any] = {
    "nv_wavenet_run.zip.pt": {
        "wavenet_config": {"max_dilation": 2, "upsamp_stride": 2, "n_layers": 3},
        "train_config": {"learning_rate": 1e-3},
    },
    "philsyn_vocoder.pkl": checkpoints.philsyn_config(
        sampling_rate=22050, hop_length=16, mel_fmax=8000.0
    ),
    "philsyn_unconditional.pkl": checkpoints.philsyn_config(sampling_rate=16000),
}


@COUNTS
@pytest.mark.parametrize("name", list(HYPERPARAMETERS))
def test_damaged_hyperparameters(tmp_path, name, count):
    path = tmp_path / "config.json"
    for values in damages.of_json(HYPERPARAMETERS[name], max(15, count // 10)):
        path.write_bytes(damages.json_bytes(values))
        assert_read_or_refused(lambda: interop.load(FILES / name, hyperparameters=path))


@COUNTS
@pytest.mark.parametrize("family", ["ibab", "revsic"])
def test_damaged_hyperparameters_of_tensorflow(tmp_path, family, count):
    if family == "ibab":
        prefix = checkpoints.write_ibab(tmp_path, checkpoints.ibab_variables(True, None))
        given: dict[str, Any] = {"dilations": checkpoints.IBAB_DILATIONS, "filter_width": 2}
        given.update(sample_rate=16000, quantization_channels=8, scalar_input=False)
    else:
        prefix = checkpoints.write_revsic(tmp_path, checkpoints.revsic_variables())
        given = checkpoints.REVSIC_PARAMETERS
    for values in damages.of_json(given, max(15, count // 10)):
        (tmp_path / "odd.json").write_bytes(damages.json_bytes(values))
        assert_read_or_refused(lambda: interop.load(prefix, hyperparameters=tmp_path / "odd.json"))


@COUNTS
def test_damaged_statistics(tmp_path, count):
    scaler = StandardScaler().fit(np.random.default_rng(2).normal(3, 2, [50, 7]))
    path = tmp_path / "meanvar.joblib"
    joblib.dump(scaler, path)
    for content in damages.of_bytes(path.read_bytes(), 2 * count):
        path.write_bytes(content)
        assert_read_or_refused(lambda: meanvar_joblib.read_statistics(tmp_path, 7))


def archive_of(path: pathlib.Path, pickled: bytes, storages: int = 1) -> pathlib.Path:
    """A file of PyTorch with this pickle, and storages of four floats."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        for number in range(storages):
            archive.writestr(f"archive/data/{number}", np.zeros(4, np.float32).tobytes())
    return path


def stream_of(path: pathlib.Path, pickled: bytes) -> pathlib.Path:
    """The older format with this pickle."""
    parts = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}]
    head = b"".join(pickle.dumps(part, 2) for part in parts)
    path.write_bytes(head + pickled + pickle.dumps([], 2))
    return path


def text(value: str) -> bytes:
    """The instruction that puts a text on the stack."""
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def tensor(size: bytes, stride: bytes, key: int = 0, count: int = 4) -> bytes:
    """The instructions for a tensor; size and stride are instructions for tuples."""
    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text(str(key)) + text("cpu")
    storage += b"J" + struct.pack("<i", count) + b"tQ"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\x00" + size + stride + b"tR"


HUGE = b"(J" + struct.pack("<i", 2**31 - 1) + b"K\x04t"
NOTHING = b"(K\x00K\x00t"
DOUBLED = b"".join(
    b"h" + bytes([i]) * 1 + b"h" + bytes([i]) + b"\x86q" + bytes([i + 1]) + b"0" for i in range(60)
)
NESTED = b"\x80\x02)q\x000" + DOUBLED
LONG_LIST = b"\x80\x02]q\x00(" + b"K\x01" * 20_000 + b"e0"

ATTACKS = {
    "nested tuples as a key": NESTED + b"}h\x3cK\x01s.",
    "nested tuples as keys": NESTED + b"}(h\x3cK\x01u.",
    "nested tuples as a key of a mapping": b"\x80\x02(" + NESTED[2:] + b"h\x3cK\x01d.",
    "nested tuples in a set": NESTED + b"c__builtin__\nset\n]h\x3ca\x85R.",
    "nested tuples in a frozen set": NESTED + b"(h\x3c\x91.",
    "nested tuples as pairs": NESTED + b"ccollections\nOrderedDict\n]h\x3cK\x01\x86a\x85R.",
    "nested tuples as a size": NESTED + b"ctorch\nSize\nh\x3c\x85R.",
    "nested tuples as a name of a storage": NESTED
    + b"("
    + text("storage")
    + b"ctorch\nFloatStorage\nh\x3c"
    + text("cpu")
    + b"K\x04tQ.",
    "nested tuples as the size of a tensor": NESTED + tensor(b"h\x3c", b"h\x3c") + b".",
    "a bytearray of gigabytes": b"\x80\x05\x96" + struct.pack("<Q", 2**33) + b".",
    "bytes of gigabytes": b"\x80\x04\x8e" + struct.pack("<Q", 2**33) + b".",
    "a text of gigabytes": b"\x80\x04\x8d" + struct.pack("<Q", 2**33) + b".",
    "a frame of gigabytes": b"\x80\x04\x95" + struct.pack("<Q", 2**33) + b"N.",
    "a tensor without steps": b"\x80\x02" + tensor(HUGE, NOTHING) + b".",
    "the size of a tensor without steps": b"\x80\x02ctorch\nSize\n"
    + tensor(HUGE, NOTHING)
    + b"\x85R.",
    "a set of a tensor without steps": b"\x80\x02c__builtin__\nset\n"
    + tensor(HUGE, NOTHING)
    + b"\x85R.",
    "a call on a tensor without steps": b"\x80\x02ctorch\nSize\n" + tensor(HUGE, NOTHING) + b"R.",
    "a million lists within one another": b"\x80\x02" + b"]" * 10**6 + b"a" * (10**6 - 1) + b".",
    "a million tuples within one another": b"\x80\x02)" + b"\x85" * 10**6 + b".",
    "a million marks": b"\x80\x02" + b"(" * 10**6 + b".",
    "a list that is copied again and again": LONG_LIST
    + b"ctorch\nSize\n"
    + b"c__builtin__\nset\nh\x00\x85R0" * 20_000
    + b"N.",
    "a mapping that is itself": b"\x80\x02}q\x00" + text("state_dict") + b"h\x00s.",
    "a number of a million digits": b"\x80\x02I" + b"9" * 10**6 + b"\n.",
    "a module within itself": b"\x80\x02ctorch.nn.modules.container\nModuleList\n)\x81q\x00}"
    + text("_modules")
    + b"}"
    + text("0")
    + b"h\x00ssb.",
    "an extension": b"\x80\x02\x82\x01.",
    "an instance": b"\x80\x02(itorch\nSize\n.",
}
ATTACKS["a module within itself, as a model"] = (
    b"\x80\x02}" + text("model") + ATTACKS["a module within itself"][2:-1] + b"s."
)
ATTACKS["a list under many names"] = (
    LONG_LIST[:-1] + b"q\x010}(" + b"".join(text(f"n{i}") + b"h\x01" for i in range(300)) + b"u."
)


@pytest.mark.parametrize("write", [archive_of, stream_of])
@pytest.mark.parametrize("name", list(ATTACKS))
def test_what_stands_for_more_than_is_stored(tmp_path, write, name):
    path = write(tmp_path / "attack.pt", ATTACKS[name])
    found = assert_read_or_refused(lambda: checkpoint.read(path))
    assert isinstance(found, damages.Refusal) or not found.arrays


def test_many_storages_of_a_stream(tmp_path):
    tensors = [tensor(b"(J\x00\x10\x00\x00t", b"(K\x01t", key, 4096) for key in range(20_000)]
    path = stream_of(tmp_path / "attack.pt", b"\x80\x02](" + b"".join(tensors) + b"e.")
    found = assert_read_or_refused(lambda: torch_files.read(path))
    assert "no room" in found.sentence


def test_one_storage_under_many_names(tmp_path):
    many = 4096
    one = tensor(b"(J" + struct.pack("<i", many) + b"t", b"(K\x01t", 0, many)
    state = b"}(" + b"".join(text(f"weight{i}") + one for i in range(200)) + b"u."
    with zipfile.ZipFile(tmp_path / "attack.pt", "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + state)
        archive.writestr("archive/data/0", bytes(4 * many))
    found = assert_read_or_refused(lambda: checkpoint.read(tmp_path / "attack.pt"))
    assert "stored once each" in found.sentence


def test_an_array_of_statistics_that_claims_to_be_enormous(tmp_path):
    scaler = StandardScaler().fit(np.eye(7))
    buffer = io.BytesIO()
    joblib.dump(scaler, buffer)
    content = buffer.getvalue()
    at = content.index(b"K\x07\x85")
    enormous = b"\x8a\x05" + struct.pack("<q", 2**38)[:5] + b"\x85"
    (tmp_path / "meanvar.joblib").write_bytes(content[:at] + enormous + content[at + 3 :])
    found = assert_read_or_refused(lambda: meanvar_joblib.read_statistics(tmp_path, 7))
    assert isinstance(found, damages.Refusal)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("philsyn_unconditional.pkl", {"diffusion_config": {"T": 10**9}}, "Expected T to be"),
        ("philsyn_unconditional.pkl", {"diffusion_config": {"T": "30"}}, "Expected T to be"),
        (
            "philsyn_unconditional.pkl",
            {"diffusion_config": [1]},
            "diffusion_config to be a mapping",
        ),
        ("philsyn_unconditional.pkl", {"wavenet_config": "no"}, "wavenet_config to be a mapping"),
        ("philsyn_vocoder.pkl", {"wavenet_config": {"dilation_cycle": -3}}, "dilation_cycle to be"),
        ("nv_wavenet_run.zip.pt", {"max_dilation": 3}, "power of two"),
        ("nv_wavenet_run.zip.pt", {"max_dilation": 2**30}, "power of two up to"),
        ("nv_wavenet_run.zip.pt", {"upsamp_stride": 3}, "config.json .*--hyperparameters"),
        ("nv_wavenet_run.zip.pt", {"upsamp_stride": "2"}, "upsamp_stride to be an integer"),
        ("nv_wavenet_run.zip.pt", [], "a mapping of hyper-parameters, .* Received: list"),
    ],
)
def test_odd_hyperparameters_are_named(tmp_path, name, values, message):
    path = tmp_path / "odd.json"
    path.write_text(json.dumps(values))
    with pytest.raises(ValueError, match=message):
        interop.load(FILES / name, hyperparameters=path)


def test_hyperparameters_that_are_cycles(tmp_path):
    values: dict[str, Any] = {}
    values["wavenet_config"] = values["diffusion_config"] = values
    values["T"] = values
    path = FILES / "philsyn_unconditional.pkl"
    found = assert_read_or_refused(lambda: interop.load(path, hyperparameters=values))
    assert "Expected T to be an integer" in found.sentence


def test_the_seed_decides(tmp_path):
    once, again = (list(damages.of_bytes(bytes(100), 20, seed=3)) for _ in range(2))
    assert once == again
