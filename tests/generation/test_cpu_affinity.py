import concurrent.futures
import ctypes
import os

import tensorflow as tf

from tests.support.tiny_models import mel, tiny
from tfwavenet.generation import batching, cpu_affinity


def parallelism_of_this_thread():
    """How many cores TensorFlow would use here, by its own account."""
    library = ctypes.CDLL(os.path.join(tf.sysconfig.get_lib(), "libtensorflow_framework.so.2"))
    return library._ZN10tensorflow26GetPerThreadMaxParallelismEv()


def test_only_the_calling_thread_is_kept_to_one_core():
    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        assert executor.submit(cpu_affinity.keep_to_one_core).result()
        assert executor.submit(parallelism_of_this_thread).result() == 1
    assert parallelism_of_this_thread() > 1


def test_utterances_on_several_cores_are_generated_on_one_each(monkeypatch):
    monkeypatch.setattr(batching, "usable_cores", lambda: 2)
    seen = []
    tiny("Gaussian", "stretch").generate(
        [mel(4), mel(4)],
        chunk_samples=12,
        on_chunk=lambda _: seen.append(parallelism_of_this_thread()),
    )
    assert set(seen) == {1}


def test_a_tensorflow_without_that_setting_is_used_as_it_is(monkeypatch):
    monkeypatch.setattr(cpu_affinity, "_FUNCTION", "gone")
    assert not cpu_affinity.keep_to_one_core()
    monkeypatch.setattr(cpu_affinity, "_LIBRARY", "gone.so")
    assert not cpu_affinity.keep_to_one_core()
