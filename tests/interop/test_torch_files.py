"""PyTorch's files are read whole, and nothing in them is run."""

import contextlib
import io
import os
import pathlib
import pickle
import zipfile

import numpy as np
import pytest

from tfwavenet.interop import torch_files

FILES = pathlib.Path(__file__).parent / "files"
FORMATS = ["zip", "stream"]


@pytest.mark.parametrize("form", FORMATS)
def test_tensors_of_every_kind(form):
    content = torch_files.read(FILES / f"kinds.{form}.pt")
    base = np.arange(24, dtype=np.float32).reshape(4, 6)
    expected = {
        "whole": base,
        "transposed": base.T,
        "row": base[2],
        "every_other": base[::2, 1::3],
        "empty": np.zeros([0, 3], np.float32),
        "scalar": np.float32(7.5),
        "parameter": np.array([0.0, 1.5, -2.0], np.float32),
    }
    for name, array in expected.items():
        assert content[name].dtype == array.dtype
        np.testing.assert_array_equal(content[name], array)
    numbers = {"float64": [0, 1.5, -2], "float16": [0, 1.5, -2], "bfloat16": [0, 1.5, -2]}
    numbers.update({"int64": [0, 1, -2], "bool": [False, True, True]})
    for name, values in numbers.items():
        assert content["dtypes"][f"torch.{name}"].dtype.name == name
        np.testing.assert_array_equal(
            content["dtypes"][f"torch.{name}"].astype(np.float64), np.float64(values)
        )


@pytest.mark.parametrize("form", FORMATS)
def test_what_stands_beside_tensors(form):
    content = torch_files.read(FILES / f"kinds.{form}.pt")
    assert content["plain"] == [1, 2.5, "text", None, True, (3, 4), {"a": 1}]
    assert content["size"] == (4, 6)
    assert content["numpy"] == 0.25
    assert list(content["ordered"].items()) == [("b", 1), ("a", 2)]


@pytest.mark.parametrize("form", FORMATS)
def test_modules_give_their_tensors(form):
    content = torch_files.read(FILES / f"nv_wavenet_run.{form}.pt")
    state = content["model"].state_dict()
    assert state["upsample.weight"].shape == (3, 3, 8)
    assert state["dilate_layers.2.conv.weight"].shape == (8, 4, 2)
    assert "res_layers.2.conv.weight" not in state
    assert content["model"].attributes["max_dilation"] == 2
    assert content["iteration"] == 5


class Command:
    """What someone might hide in a checkpoint."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def as_zip(path, pickled):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
    return path


def as_stream(path, pickled):
    parts = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}]
    rest = pickled + pickle.dumps([], 2)
    path.write_bytes(b"".join(pickle.dumps(part, 2) for part in parts) + rest)
    return path


@pytest.mark.parametrize("write", [as_zip, as_stream])
@pytest.mark.parametrize(
    ("function", "name"),
    [(os.system, "system"), (eval, "eval"), (exec, "exec"), (getattr, "getattr"), (open, "open")],
)
def test_code_is_refused_by_name_and_not_run(tmp_path, write, function, name):
    mark = tmp_path / "it-ran"
    content = {"state_dict": Command(function, f"touch {mark}")}
    path = write(tmp_path / "evil.pth", pickle.dumps(content, 2))
    with pytest.raises(ValueError, match=rf"refers to \S+\.{name}, which is no data"):
        torch_files.read(path)
    assert not mark.exists()


def test_attributes_of_what_is_known_cannot_be_set(tmp_path):
    # The instructions for: set ordered_dict_class.mark = 1.
    pickled = b"\x80\x02ccollections\nOrderedDict\n}U\x04markK\x01sb."
    with pytest.raises(ValueError, match="it sets attributes of"):
        torch_files.read(as_zip(tmp_path / "evil.pth", pickled))


def storage_of(count, size, stride, offset=0):
    """A file with one tensor of these figures over a storage of `count` floats."""
    buffer = io.BytesIO()
    names = [("torch", "FloatStorage"), ("torch._utils", "_rebuild_tensor_v2")]
    kinds, rebuild = (type(name, (), {"__module__": home}) for home, name in names)

    class Pickler(pickle._Pickler):
        def persistent_id(self, thing):
            return ("storage", kinds, "0", "cpu", count) if thing is marker else None

        def save_global(self, thing, name=None):
            self.write(f"c{thing.__module__}\n{thing.__name__}\n".encode())

        dispatch = {**pickle._Pickler.dispatch, type: save_global}

    marker = object()
    pickler = Pickler(buffer, 2)
    pickler.dump(Command(rebuild, marker, offset, size, stride, False, {}))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("size", "stride", "offset"),
    [((4,), (2,), 0), ((2, 2), (1, 5), 0), ((3,), (1,), 4), ((2,), (-1,), 3), ((-1,), (1,), 0)],
)
def test_no_tensor_reaches_beyond_its_storage(tmp_path, size, stride, offset):
    path = tmp_path / "evil.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", storage_of(6, size, stride, offset))
        archive.writestr("archive/data/0", np.arange(6, dtype=np.float32).tobytes())
    with pytest.raises(ValueError, match="Received: a tensor of size"):
        torch_files.read(path)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_a_file_that_was_cut_short_is_refused(tmp_path, form, share):
    whole = (FILES / f"nv_wavenet_run.{form}.pt").read_bytes()
    path = tmp_path / "short.pt"
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match="short.pt' is not a whole file of PyTorch tensors"):
        torch_files.read(path)


@pytest.mark.parametrize("form", FORMATS)
def test_damaged_bytes_end_in_one_kind_of_error(tmp_path, form):
    whole = bytearray((FILES / f"kinds.{form}.pt").read_bytes())
    rng = np.random.default_rng(0)
    path = tmp_path / "damaged.pt"
    for _ in range(200):
        damaged = bytearray(whole)
        for position in rng.integers(0, len(whole), 3):
            damaged[position] = rng.integers(256)
        path.write_bytes(damaged)
        # Either nothing that matters was hit, or the file is named; nothing else may happen.
        with contextlib.suppress(ValueError):
            torch_files.read(path)
