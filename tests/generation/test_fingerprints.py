"""A digest tells models apart, and nothing else."""

from __future__ import annotations

import keras
import pytest

from tests.support.tiny_models import tiny
from tfwavenet import rng
from tfwavenet.generation.fingerprints import fingerprint


def test_names_metrics_and_frozen_layers_do_not_count():
    keras.utils.set_random_seed(1)
    model = tiny()
    first = fingerprint(model)
    copy = type(model).from_config({**model.get_config(), "name": "another"})
    copy.build()
    copy.set_weights(model.get_weights())
    assert fingerprint(copy) == first
    model.loss_tracker.update_state(3.0)
    model.blocks[0].trainable = False
    assert fingerprint(model) == first


@pytest.mark.parametrize("number", [0, -1])
def test_every_weight_counts(number):
    model = tiny()
    first = fingerprint(model)
    weight = model.trainable_weights[number]
    weight.assign_add(1e-6 + rng.normal(weight.shape, rng.make_seed(0)))
    assert fingerprint(model) != first


def test_the_configuration_counts():
    one, other = tiny(), tiny()
    other.set_weights(one.get_weights())
    assert fingerprint(other) == fingerprint(one)
    config = {**one.get_config(), "skip_mode": "recursive"}
    changed = type(one).from_config(config)
    changed.build()
    changed.set_weights(one.get_weights())
    assert fingerprint(changed) != fingerprint(one)
