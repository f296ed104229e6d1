"""Every experiment of configs/ is built and stepped once, and says what it is."""

from __future__ import annotations

import importlib.util
import inspect
import os
import pathlib
import re
import subprocess
import sys
import typing

import numpy as np
import pytest
import tensorflow as tf

from tfwavenet import training
from tfwavenet.text import TextRecipe
from tfwavenet.training import building, fine_tuning
from tfwavenet.training.config import recipe_of, resolve
from tfwavenet.training.smoke import in_form

REPOSITORY = pathlib.Path(__file__).parent.parent
CONFIGS = sorted(path.stem for path in (REPOSITORY / "configs").glob("[!_]*.py"))

# Trainable weights of the published networks (specs of each project), less the projection of the
# last residual block, which they compute and nobody reads.
PUBLISHED_WEIGHTS = {
    "r9y9_mol": 3_720_932 - (128 * 128 + 128 + 128),
    "r9y9_gaussian": 3_717_292 - (128 * 128 + 128 + 128),
    "r9y9_mulaw256": 4_699_944 - (128 * 128 + 128 + 128),
    "codejin": 1_146_182 - (32 * 128 + 128 + 128),
    "nv_wavenet": 6_026_256,
    "diffwave_base": 2_619_971 - (64 * 64 + 64),
}
RECEPTIVE_FIELDS = {
    "r9y9_mol": 505,
    "r9y9_gaussian": 505,
    "r9y9_mulaw256": 6139,
    "codejin": 505,
    "nv_wavenet": 511,
    "text": 255,
    "unconditional": 3070,
}
# The configs of the teachers that others name by their workdirs.
TEACHERS = {
    "runs/gaussian": ("r9y9_gaussian", "full"),
    "runs/gaussian_44k": ("fullband", "gaussian_44k"),
    "runs/gaussian_48k": ("fullband", "gaussian_48k"),
    "runs/teacher": ("fsdd", "gaussian"),
}


def load(name):
    """The module of configs/, from its path as the launchers load it."""
    path = REPOSITORY / "configs" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"config_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def forms_of(module):
    """What `get_config` takes, "full" alone where it takes nothing."""
    hints = typing.get_type_hints(module.get_config)
    hints.pop("return")
    return [form for hint in hints.values() for form in typing.get_args(hint)] or ["full"]


def config_of(module, form):
    """A resolved config in one of `forms_of`, with the network of the preset that it starts from."""
    takes_form = bool(inspect.signature(module.get_config).parameters)
    config = module.get_config(form) if takes_form else module.get_config()
    return fine_tuning.completed(resolve(config))


def built(config):
    """The model of a config, compiled to run step by step, without tracing."""
    speakers = [f"speaker {i}" for i in range(config.model.get("num_speakers") or 8)]
    recipe = recipe_of(config)
    if isinstance(recipe, TextRecipe):
        recipe = recipe.with_counts({"a": 1})
    elif recipe.normalization == "standard":
        recipe = recipe.with_statistics(np.zeros(recipe.n_mels), np.ones(recipe.n_mels))
    model = building.build_model(config, recipe=recipe, speakers=speakers)
    if config.training.teacher is not None:
        teacher = TEACHERS[os.path.relpath(config.training.teacher)]
        model.set_teacher(built(config_of(load(teacher[0]), *teacher[1:])))
    building.compile_model(model, config)
    model.run_eagerly = True
    return model


def batch(model, frames=2):
    """Two short crops such as the pipeline makes for this model."""
    generator = np.random.default_rng(0)
    samples = frames * model.recipe.hop_samples
    made = {"audio": generator.uniform(-0.5, 0.5, (2, samples)).astype(np.float32)}
    if model.writes_text:
        made = {"audio": generator.integers(0, model.recipe.classes, (2, samples), np.int32)}
    if model.upsampler is not None:
        given = frames + 2 * model.upsampler.padding_frames
        made["mel"] = generator.uniform(0, 1, (2, given, model.recipe.n_mels)).astype(np.float32)
    if model.speaker_channels:
        made["speaker"] = np.array([0, 1], np.int32)
    return made


@pytest.mark.parametrize(
    ("name", "form"),
    [
        pytest.param(name, form, marks=[pytest.mark.slow] if form == "smoke" else [])
        for name in CONFIGS
        for form in forms_of(load(name))
    ],
)
def test_config_is_built_and_stepped(name, form):
    config = config_of(load(name), form)
    model = built(config)
    before = [weight.numpy() for weight in model.trainable_weights]
    # The last layer of a fresh DiffWave is zero and lets no gradient through at first.
    for _ in range(2 if config.model.class_name == "DiffWave" else 1):
        loss = model.train_on_batch(batch(model), return_dict=True)["loss"]
    assert np.isfinite(loss)
    changed = [
        np.any(weight.numpy() != old) for weight, old in zip(model.trainable_weights, before)
    ]
    assert np.mean(changed) > 0.9
    count = sum(int(tf.size(weight)) for weight in model.trainable_weights)
    assert count == PUBLISHED_WEIGHTS.get(name, count)
    assert model.receptive_field == RECEPTIVE_FIELDS.get(name, model.receptive_field)


@pytest.mark.slow
def test_the_smallest_run_goes_through_everything(tmp_path):
    (arguments,) = re.findall(r"tfwavenet-train (.*)", load("smoke").__doc__)
    command = arguments.replace("runs/smoke", str(tmp_path)).split()
    subprocess.run(
        [sys.executable, "-m", "tfwavenet.launch.train", *command],
        cwd=REPOSITORY,
        check=True,
        timeout=1200,  # only so that nothing hangs for ever
    )
    assert training.load(tmp_path).metadata.step == 30
    assert list((tmp_path / "samples" / "00000030").glob("*.wav"))
    assert list((tmp_path / "logs").glob("events*"))


@pytest.mark.parametrize("name", CONFIGS)
def test_docstring_is_a_lab_note(name):
    module = load(name)
    launched = (f"configs/{name}.py", "tfwavenet-quickstart", "--preset=")
    assert any(text in module.__doc__ for text in launched)
    assert "--workdir=" in module.__doc__
    assert re.search(r"\b(GPU|CPU cores)\b", module.__doc__)


@pytest.mark.parametrize("name", CONFIGS)
def test_steps_are_whole_epochs_in_every_form(name):
    module = load(name)
    for form in forms_of(module):
        config = config_of(module, form)
        if form == "smoke":
            assert config.data.corpus == "bundled"
            assert config.training.steps <= 10


@pytest.mark.parametrize(
    ("form", "corpus", "rate", "seconds"),
    [
        ("full", "folder", 16_000, 1.0),
        ("sc09", "speech_commands", 16_000, 1.0),  # whole recordings
        ("gtzan", "gtzan", 22_050, 3.0),
    ],
)
def test_unconditional_diffwaves_take_their_corpora(form, corpus, rate, seconds):
    config = config_of(load("diffwave_unconditional"), form)
    recipe = recipe_of(config)
    crop_seconds = config.data.crop_frames * recipe.hop_samples / recipe.sample_rate
    assert (config.data.corpus, recipe.sample_rate) == (corpus, rate)
    assert crop_seconds == pytest.approx(seconds, rel=0.01)


def test_unknown_form_is_refused():
    with pytest.raises(ValueError, match='must be "full" or "smoke". Received: form=\'fast\''):
        in_form(load("smoke").get_config(), "fast")
    with pytest.raises(ValueError, match="one of .*'gtzan'.* Received: form='sc10'"):
        load("diffwave_unconditional").get_config("sc10")
