"""Nothing public escapes the conformance tests."""

from __future__ import annotations

import keras
import pytest

from tests.conformance import inventory
from tfwavenet import distributions

LAYER, MODEL = keras.layers.Layer, keras.Model
SCHEDULE = keras.optimizers.schedules.LearningRateSchedule
CALLBACK = keras.callbacks.Callback


@pytest.mark.parametrize(
    ("table", "base"),
    [
        (inventory.LAYERS, LAYER),
        (inventory.MODELS, MODEL),
        (inventory.DISTRIBUTIONS, distributions.Distribution),
        (inventory.SCHEDULES, SCHEDULE),
        (inventory.CALLBACKS, CALLBACK),
    ],
    ids=["layers", "models", "distributions", "schedules", "callbacks"],
)
def test_every_public_class_has_an_entry(table, base):
    expected = inventory.public_classes(base)
    if base is LAYER:
        expected = {name: cls for name, cls in expected.items() if not issubclass(cls, MODEL)}
    assert sorted({name.split("-")[0] for name in table}) == sorted(expected)


def test_a_class_without_an_entry_is_noticed():
    assert set(inventory.ABSTRACT).isdisjoint(inventory.public_classes(object))
    assert "CausalConv1D" in inventory.public_classes(LAYER)
