"""Optimizers of Keras by their names, in runs that are resumed."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tfwavenet import training
from tfwavenet.training import optimizers
from tfwavenet.training.config import resolve
from tfwavenet.training.optimizer import MeasuredAdam


def _of(**given):
    return optimizers.of_config(resolve({"training": given}).training)


def test_adam_measures_its_gradients():
    optimizer = _of(beta_1=0.8, learning_rate=1e-3, clip_norm=0.5)
    assert isinstance(optimizer, MeasuredAdam)
    assert (optimizer.beta_1, optimizer.global_clipnorm) == (0.8, 0.5)


@pytest.mark.parametrize("identifier", ["AdamW", {"class_name": "AdamW"}])
def test_by_name(identifier):
    optimizer = _of(optimizer=identifier, learning_rate=1e-3)
    assert type(optimizer) is keras.optimizers.AdamW
    assert float(optimizer.learning_rate) == pytest.approx(1e-3)
    assert optimizer.global_clipnorm == 1.0


def test_with_arguments():
    optimizer = _of(optimizer={"class_name": "Lion", "config": {"beta_2": 0.9}})
    assert type(optimizer) is keras.optimizers.Lion and optimizer.beta_2 == 0.9


@pytest.mark.parametrize(
    ("identifier", "message"),
    [
        ("AdanW", r"did you mean 'Adam.*Received: training.optimizer='AdanW'"),
        ("LossScaleOptimizer", "Received: training.optimizer='LossScaleOptimizer'"),
        (3, "a name, or a mapping"),
        ({"class_name": "AdamW", "config": 3}, "a name, or a mapping"),
        ({"class_name": "AdamW", "confg": {}}, "a name, or a mapping"),
        ({"class_name": "AdamW", "config": {"beta": 1}}, "no argument 'beta'"),
        ({"class_name": "AdamW", "config": {"learning_rate": 1}}, "no argument 'learning_rate'"),
    ],
)
def test_others_are_refused(identifier, message):
    with pytest.raises(ValueError, match=message):
        _of(optimizer=identifier)


@pytest.mark.parametrize("name", ["AdamW", "Lion"])
def test_a_run_goes_on_to_the_same_weights(make_config, tmp_path, name):
    rate = {"class_name": "Noam", "config": {"warmup_steps": 3}}
    options = {"optimizer": name, "learning_rate": rate, "validation_batches": 0}
    training.run(make_config(steps=4, **options), tmp_path / "whole")
    for steps in (2, 4):
        training.run(make_config(steps=steps, **options), tmp_path / "resumed")
    whole, resumed = (training.load(tmp_path / name).model for name in ("whole", "resumed"))
    for one, other in zip(whole.get_weights(), resumed.get_weights()):
        np.testing.assert_array_equal(one, other)


def test_another_constant_rate_counts_from_the_resume_on(make_config, tmp_path):
    options = {"validation_batches": 0}
    training.run(make_config(steps=2, learning_rate=1e-3, **options), tmp_path)
    history = training.run(make_config(steps=4, learning_rate=1e-5, **options), tmp_path)
    assert history.history["learning_rate"] == [pytest.approx(1e-5)]
