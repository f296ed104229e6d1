"""`tfwavenet.training.checkpoints`: whole or absent, checked, and few."""

from __future__ import annotations

import doctest
import os
import pathlib
import resource
import signal

import numpy as np
import pytest
import tensorflow as tf

from tfwavenet.training import checkpoints
from tfwavenet.training.checkpoints import Checkpoints


def make(directory, value=0.0, **options):
    """A checkpointed vector of 1000 equal values."""
    weights = tf.Variable(tf.fill([1000], value))
    return weights, Checkpoints(directory, weights=weights, **options)


def names(directory):
    return sorted(path.name for path in pathlib.Path(directory).iterdir())


def saved(directory, steps):
    weights, saver = make(directory)
    for step in steps:
        weights.assign(tf.fill([1000], float(step)))
        saver.save(step)


def test_restores_the_newest(tmp_path):
    saved(tmp_path, [100, 200])
    weights, saver = make(tmp_path, value=-1.0)
    assert saver.restore() == 200
    np.testing.assert_array_equal(weights, np.full(1000, 200.0))


def test_without_checkpoints_there_is_nothing_to_restore(tmp_path):
    weights, saver = make(tmp_path / "missing", value=-1.0)
    assert saver.restore() is None
    assert saver.steps() == []
    assert float(weights[0]) == -1.0


@pytest.mark.parametrize("keep", [1, 3])
def test_keeps_the_newest(tmp_path, keep):
    _, saver = make(tmp_path, keep=keep)
    for step in (0, 5, 99999999, 100000000):  # from eight digits to nine
        saver.save(step)
    assert saver.steps() == [0, 5, 99999999, 100000000][-keep:]
    assert len(names(tmp_path)) == keep


def test_saving_a_step_again_replaces_it(tmp_path):
    saved(tmp_path, [100])
    weights, saver = make(tmp_path, value=7.0)
    saver.save(100)
    weights.assign(tf.zeros([1000]))
    assert saver.restore() == 100
    assert float(weights[0]) == 7.0


def test_leftovers_of_a_killed_process_are_ignored_and_removed(tmp_path):
    saved(tmp_path, [100])
    leftover = tmp_path / "00000200.tmp-12345"
    leftover.mkdir()
    (leftover / "state.data-00000-of-00001").write_bytes(b"half")
    _, saver = make(tmp_path)
    assert saver.restore() == 100
    saver.save(300)
    assert names(tmp_path) == ["00000100", "00000300"]


@pytest.mark.parametrize("file", ["state.index", "state.data-00000-of-00001", "manifest.json"])
@pytest.mark.parametrize("damage", ["cut", "missing", "flipped"])
@pytest.mark.parametrize("earlier", [True, False])
def test_a_damaged_file_is_named(tmp_path, file, damage, earlier):
    saved(tmp_path, [100, 200] if earlier else [200])
    path = tmp_path / "00000200" / file
    content = path.read_bytes()
    if damage == "cut":
        path.write_bytes(content[:-7])
    elif damage == "missing":
        path.unlink()
    else:
        path.write_bytes(bytes([content[0] ^ 255]) + content[1:])
    weights, saver = make(tmp_path, value=-1.0)
    with pytest.raises(ValueError, match=r"The checkpoint file .* Received: ") as caught:
        saver.restore()
    message = str(caught.value)
    assert str(path) in message
    advice = "continue from step 100" if earlier else "start again from step 0"
    assert f"remove the folder '{path.parent}' to {advice}" in message
    assert "\n" not in message
    assert float(weights[0]) == -1.0
    assert "00000200" in names(tmp_path)


def test_a_checkpoint_of_another_shape_is_refused(tmp_path):
    saved(tmp_path, [100])
    saver = Checkpoints(tmp_path, weights=tf.Variable(tf.zeros([3])))
    with pytest.raises(ValueError, match="belongs to another model or optimizer"):
        saver.restore()


@pytest.mark.parametrize("partial", [False, True])
def test_a_checkpoint_with_fewer_objects_is_refused_and_changes_nothing(tmp_path, partial):
    weights, saver = make(tmp_path, value=7.0)
    saver.save(100)
    weights.assign(tf.zeros([1000]))
    saver = Checkpoints(tmp_path, weights=weights, more=tf.Variable(1.0))
    with pytest.raises(ValueError, match="belongs to another model or optimizer"):
        saver.restore(partial=partial)
    assert not np.any(weights)


def test_a_checkpoint_with_more_objects_is_refused(tmp_path):
    weights = tf.Variable(tf.zeros([1000]))
    Checkpoints(tmp_path, weights=weights, more=tf.Variable(1.0)).save(100)
    saver = Checkpoints(tmp_path, weights=weights)
    with pytest.raises(ValueError, match=r"another model or optimizer.* Received: more of shape"):
        saver.restore()


def test_a_checkpoint_with_more_objects_can_be_read_in_part(tmp_path):
    more = {"weights": tf.Variable(tf.ones([1000])), "more": tf.Variable(1.0)}
    Checkpoints(tmp_path, **more).save(100)
    weights, saver = make(tmp_path)
    with pytest.raises(ValueError, match="belongs to another model or optimizer"):
        saver.restore()
    assert saver.restore(partial=True) == 100
    assert float(weights[0]) == 1.0


def test_a_full_disk_leaves_earlier_checkpoints(tmp_path):
    _, saver = make(tmp_path)
    saver.save(100)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    old_limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    old_handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, old_limits[1]))
    try:
        with pytest.raises(OSError, match="could not be written, earlier ones are untouched"):
            saver.save(200)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old_limits)
        signal.signal(signal.SIGXFSZ, old_handler)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert names(tmp_path) == ["00000100"]


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_read_only_folder_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OSError, match="could not be written"):
        make(tmp_path)[1].save(1)


def test_rejects_keeping_none(tmp_path):
    with pytest.raises(ValueError, match=r"keep must be at least 1\. Received: keep=0"):
        Checkpoints(tmp_path, keep=0)


def test_examples_in_the_docstrings():
    assert doctest.testmod(checkpoints, extraglobs={"tf": tf}).failed == 0
