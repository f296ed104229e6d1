"""Dumped programs are whole: every parameter of the module has its argument, in order."""

from __future__ import annotations

import re

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.compiler.xla.service import hlo_pb2

from benchmarks import diffusion, generation, programs
from tests.support.tiny_models import tiny
from tfwavenet.layers import TransposedUpsampler
from tfwavenet.models import DiffWave

# As HLO text and NumPy call the types.
DTYPES = {"f32": "float32", "s32": "int32", "s64": "int64", "pred": "bool"}


def dumped(folder):
    """The module and the arguments that were written last."""
    module = (folder / "program.hlo.pb").read_bytes()
    with np.load(folder / "program.npz") as arrays:
        return module, [arrays[f"a{index}"] for index in range(len(arrays.files))]


def parameters(function, *args, **kwargs):
    """Type and shape of each parameter of a program, from its text."""
    text = function.experimental_get_compiler_ir(*args, **kwargs)(stage="hlo")
    signature = re.search(r"^ENTRY [^\n]*?\((.*?)\) ->", text, flags=re.MULTILINE).group(1)
    found = re.findall(r"(\w+)\[([\d,]*)\]", signature)
    return [(DTYPES[dtype], tuple(map(int, filter(None, s.split(","))))) for dtype, s in found]


@pytest.fixture
def expected(monkeypatch):
    """Type and shape of each parameter of what is dumped in a test."""
    found, dump = [], programs.dump

    def noticed(folder, name, function, *args, **kwargs):
        found.extend(parameters(function, *args, **kwargs))
        dump(folder, name, function, *args, **kwargs)

    monkeypatch.setattr(programs, "dump", noticed)
    return found


def assert_whole(folder, expected):
    module, arrays = dumped(folder)
    assert module.startswith(b"\x0a")  # the name, field 1 of HloModuleProto
    assert [(str(a.dtype), a.shape) for a in arrays] == expected
    assert sorted(path.name for path in folder.iterdir()) == ["program.hlo.pb", "program.npz"]


@pytest.mark.parametrize("upsampler", [None, "stretch"])
def test_a_chunk_of_generation(upsampler, expected, tmp_path):
    model = tiny("Categorical", upsampler, num_speakers=3)
    options = generation.utterances(model, batch=2, samples=12)
    generation.dump(model, options, tmp_path, "program")
    assert_whole(tmp_path, expected)
    assert len(expected) > len(tf.nest.flatten(model.network.folded_weights()))


def test_a_step_of_diffusion(expected, tmp_path):
    upsampler = TransposedUpsampler((2, 3))
    model = DiffWave(num_layers=2, residual_channels=4, upsampler=upsampler, local_channels=5)
    model.build()
    diffusion.dump(model, 2, tmp_path, "program")
    assert_whole(tmp_path, expected)


def test_weights_follow_the_arguments_whatever_their_order():
    weight, constant = tf.Variable([1.0, 2.0]), tf.constant([3.0, 4.0])
    function = tf.function(lambda x, *, b, a: weight * constant + x + a + b, jit_compile=True)
    given = {"b": tf.constant([5.0, 6.0]), "a": tf.constant([7.0, 8.0])}
    arrays = programs.arguments_of(function, tf.zeros([2]), **given)
    assert [list(array) for array in arrays[:3]] == [[0, 0], [7, 8], [5, 6]]
    assert sorted(array[0] for array in arrays[3:]) == [1, 3]


def test_no_copy_is_left(tmp_path):
    total = tf.Variable(tf.zeros([2]))
    function = tf.function(lambda x: total.assign_add(x + x), jit_compile=True)
    given = tf.ones([2])
    assert " copy(" in function.experimental_get_compiler_ir(given)(stage="hlo")
    programs.dump(tmp_path, "program", function, given)
    module = hlo_pb2.HloModuleProto.FromString(dumped(tmp_path)[0])
    opcodes = {i.opcode for computation in module.computations for i in computation.instructions}
    assert opcodes == {"parameter", "add", "reshape", "tuple"}


def test_the_files_are_made_anew(tmp_path):
    function = tf.function(lambda x: x + 1, jit_compile=True)
    for size in (2, 3):
        programs.dump(tmp_path / "folder", "program", function, tf.zeros([size]))
    assert dumped(tmp_path / "folder")[1][0].shape == (3,)
