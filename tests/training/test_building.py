"""`tfwavenet.training.building`: what of a config reaches model and optimizer."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tests.training.conftest import RECIPE
from tfwavenet.audio import recipes
from tfwavenet.training import building, schedules
from tfwavenet.training.config import resolve

SPEAKERS = ["high", "low"]
FITTED = recipes.get(RECIPE).with_statistics(np.zeros(8), np.ones(8))


def build(config, **options):
    return building.build_model(config, recipe=FITTED, speakers=SPEAKERS, **options)


def test_the_model_gets_recipe_and_speakers(make_config):
    model = build(resolve(make_config()))
    assert model.recipe == FITTED
    assert model.num_speakers == 2
    assert model.built
    assert building.padding_frames(model) == 1


def test_more_speakers_than_the_data_have_are_kept(make_config):
    assert build(resolve(make_config(model={"num_speakers": 9}))).num_speakers == 9


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_precision_is_the_models_alone(make_config, precision):
    config = resolve(make_config(precision=precision))
    model = build(config)
    assert model.dtype_policy.name == precision
    assert model.upsampler.dtype_policy.name == precision
    assert keras.mixed_precision.global_policy().name == "float32"
    assert build(config, precision="float32").dtype_policy.name == "float32"


def test_the_policy_is_restored_after_an_error():
    with pytest.raises(KeyError), building.precision_policy("mixed_bfloat16"):
        raise KeyError
    assert keras.mixed_precision.global_policy().name == "float32"


def test_the_optimizer_is_as_configured_and_built(make_config):
    rate = {"class_name": "Noam", "config": {"warmup_steps": 7}}
    config = resolve(make_config(learning_rate=rate, beta_2=0.99, epsilon=1e-6, clip_norm=0.5))
    model = build(config)
    building.compile_model(model, config)
    optimizer = model.optimizer
    assert isinstance(optimizer._learning_rate, schedules.Noam)
    assert optimizer._learning_rate.warmup_steps == 7
    assert (optimizer.beta_1, optimizer.beta_2, optimizer.epsilon) == (0.9, 0.99, 1e-6)
    assert optimizer.global_clipnorm == 0.5
    assert len(optimizer.variables) == 1 + 2 * len(model.trainable_variables)


def test_float16_scales_its_loss(make_config):
    config = resolve(make_config(precision="mixed_float16"))
    model = build(config)
    building.compile_model(model, config)
    assert isinstance(model.optimizer, keras.mixed_precision.LossScaleOptimizer)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"upsampler": {"class_name": "StretchUpsampler", "config": {"scales": [3]}}}, "hop of 16"),
        ({"kernel_size": 0}, "`kernel_size` must be a positive integer"),
        ({"distribution": "Gausian"}, r"did you mean 'Gaussian'"),
    ],
)
def test_a_model_that_cannot_be_built_is_named(make_config, model, message):
    with pytest.raises(ValueError, match=message):
        building.draft_model(resolve(make_config(model=model)))


def test_an_unknown_recipe_is_named(make_config):
    config = make_config()
    config["recipe"] = "speech_9k"
    with pytest.raises(ValueError, match="speech_8k"):
        building.draft_model(resolve(config))


def test_statistics_are_not_compared_where_the_config_has_none(make_config):
    config = make_config()
    building.check_recipe(resolve(config), FITTED)
    config["recipe"]["mean"], config["recipe"]["std"] = [0.5] * 8, [1.0] * 8
    with pytest.raises(ValueError, match=r"'recipe' must be that of the prepared data.*mean="):
        building.check_recipe(resolve(config), FITTED)
