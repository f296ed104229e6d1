"""One entry per public class; every test of this folder runs over these tables.

A public class that is missing here fails `test_inventory.py`. To add one, add an entry: how to
build it, small, and for what needs inputs an example of them.
"""

from __future__ import annotations

import importlib
import inspect
import pathlib
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

import tfwavenet
from tfwavenet import distributions, layers, models
from tfwavenet.audio.features import FeatureRecipe
from tfwavenet.text import TextRecipe
from tfwavenet.training import callbacks, ema, schedules, summaries, text_summaries
from tfwavenet.training.checkpoints import Checkpoints

# What is public but cannot stand alone.
ABSTRACT = {
    "AudioModel": "the base class of the models",
    "Model": "what AudioModel needs of Keras",
    "SelfBuilding": "what AudioModel does before Keras needs its weights",
    "Distribution": "the base class of the distributions",
    "Upsampler": "the base class of the upsamplers",
}


class LayerEntry(NamedTuple):
    """How to build a layer, and one call of it."""

    build: Callable[[], keras.layers.Layer]
    inputs: dict[str, np.ndarray]  # by the names of `call`'s arguments, `inputs` first
    outputs_float32: bool = False  # whatever the precision policy


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def stirred(layer: keras.layers.Layer) -> keras.layers.Layer:
    """The layer with noise on its weights: zeros would stop all gradients."""
    layer.build(None)
    for weight in layer.trainable_weights:
        weight.assign_add(noise(*weight.shape) / 10)
    return layer


STACK = {"num_layers": 2, "dilation_cycle": 2, "residual_channels": 4}
CAUSAL_STACK = {**STACK, "gate_channels": 8, "skip_channels": 6}
SEQUENCE = {
    "inputs": noise(2, 9),
    "local_inputs": noise(2, 9, 5),
    "global_inputs": noise(2, 3),
}

FRAMES = {"inputs": noise(2, 5, 6)}

LAYERS: dict[str, LayerEntry] = {
    "CausalConv1D": LayerEntry(
        lambda: layers.CausalConv1D(4, 2, dilation_rate=3), {"inputs": noise(2, 9, 3)}
    ),
    "CenteredConv1D": LayerEntry(
        lambda: layers.CenteredConv1D(4, 3, dilation_rate=3), {"inputs": noise(2, 9, 3)}
    ),
    "CodeConv1D": LayerEntry(
        lambda: layers.CodeConv1D(4, 8, kernel_size=2),
        {"inputs": np.array([[0, 3, 7, 1], [2, 2, 5, 6]], np.int32)},
    ),
    "DiffWaveStack": LayerEntry(
        lambda: stirred(layers.DiffWaveStack(20, **STACK, step_channels=8)),
        {"inputs": noise(2, 9), "step": np.array([0.0, 3.5], np.float32)},
        outputs_float32=True,
    ),
    "DiffusionResidualBlock": LayerEntry(
        lambda: layers.DiffusionResidualBlock(4, 6, 5, dilation_rate=2),
        {"inputs": noise(2, 9, 4), "step": noise(2, 5), "conditioning": noise(2, 9, 8)},
    ),
    "DiffusionStepEmbedding": LayerEntry(
        lambda: layers.DiffusionStepEmbedding(20, 6), {"inputs": np.array([0.0, 3.5], np.float32)}
    ),
    "Flow": LayerEntry(
        lambda: stirred(layers.Flow(**CAUSAL_STACK, local_channels=5, global_channels=3)),
        SEQUENCE,
        outputs_float32=True,
    ),
    "GatedResidualBlock": LayerEntry(
        lambda: layers.GatedResidualBlock(
            4, 8, 6, dilation_rate=2, local_channels=5, global_channels=3
        ),
        {
            "inputs": noise(2, 9, 4),
            "local_inputs": noise(2, 9, 5),
            "global_inputs": noise(2, 3),
        },
    ),
    "IdentityUpsampler": LayerEntry(layers.IdentityUpsampler, FRAMES),
    "LearnedUpsampler": LayerEntry(lambda: layers.LearnedUpsampler((4,), kernel_frames=2), FRAMES),
    "SpeakerEmbedding": LayerEntry(
        lambda: layers.SpeakerEmbedding(5, 4), {"inputs": np.array([0, 4, 2], np.int32)}
    ),
    "StretchUpsampler": LayerEntry(
        lambda: layers.StretchUpsampler((2, 3), padding_frames=1, input_context=True), FRAMES
    ),
    "TransposedUpsampler": LayerEntry(
        lambda: layers.TransposedUpsampler((2, 4), overlap=2, negative_slope=0.4), FRAMES
    ),
    "WaveNetStack": LayerEntry(
        lambda: stirred(
            layers.WaveNetStack(7, **CAUSAL_STACK, local_channels=5, global_channels=3)
        ),
        SEQUENCE,
        outputs_float32=True,
    ),
    "WeightNormalization": LayerEntry(
        lambda: layers.WeightNormalization(layers.CausalConv1D(4, 2)), {"inputs": noise(2, 9, 3)}
    ),
}

DISTRIBUTIONS: dict[str, Callable[[], distributions.Distribution]] = {
    "Categorical": lambda: distributions.Categorical(classes=16),
    "Gaussian": lambda: distributions.Gaussian(log_scale_min=-7.0),
    "MixtureOfGaussians": lambda: distributions.MixtureOfGaussians(components=3),
    "MixtureOfLogistics": lambda: distributions.MixtureOfLogistics(components=3, levels=256),
}


class ModelEntry(NamedTuple):
    """How to build a model, and a batch for it."""

    build: Callable[[], keras.Model]
    batch: dict[str, np.ndarray]
    teacher: Callable[[], keras.Model] | None = None

    def taught(self, model: keras.Model) -> keras.Model:
        """The model, with its teacher if it needs one."""
        if self.teacher is not None:
            keras.utils.set_random_seed(2)
            teacher = self.teacher()
            teacher.build()
            model.set_teacher(teacher)
        return model


SMALL = {
    "num_layers": 2,
    "dilation_cycle": 2,
    "residual_channels": 4,
    "gate_channels": 8,
    "skip_channels": 6,
}
STRETCH = {"class_name": "StretchUpsampler", "config": {"scales": (2, 2), "padding_frames": 1}}
AUDIO = {"audio": np.tanh(noise(2, 24) / 3)}
CODES = {"audio": np.random.default_rng(0).integers(0, 16, (2, 24)).astype(np.int32)}
TEXT = TextRecipe(classes=16, characters=" abcdefghijklm")
MASK = {"mask": np.arange(24)[np.newaxis] < np.array([[24], [17]])}
MEL = {"mel": noise(2, 8, 5)}
SPEAKER = {"speaker": np.array([0, 2], np.int32)}

# 4 samples per frame.
RECIPE = FeatureRecipe(
    sample_rate=8000, n_fft=64, win_samples=64, hop_samples=4, n_mels=5, framing="same"
)

SMALL_DIFFUSION = {
    "num_layers": 2,
    "dilation_cycle": 2,
    "residual_channels": 4,
    "step_channels": 8,
    "schedule": {"steps": 4, "first": 0.01, "last": 0.5},
}
STEP = {"step": np.array([0.0, 2.5], np.float32)}

SMALL_STUDENT = {
    "flow_layers": (1, 2),
    "dilation_cycle": 2,
    "residual_channels": 4,
    "gate_channels": 8,
    "skip_channels": 6,
    "cross_entropy_draws": 32,
    "spectral_resolutions": ((64, 16, 64), (16, 4, 16)),
}
# Long enough for the mean over them to tell more of the weights than of the noise drawn.
STUDIED = {"audio": np.tanh(noise(2, 400) / 3), "noise": noise(2, 400)}
STUDIED_CONDITIONS = {
    "mask": np.arange(400)[np.newaxis] < np.array([[400], [317]]),
    "mel": noise(2, 102, 5),
    **SPEAKER,
}

MODELS: dict[str, ModelEntry] = {
    # A name's part behind the dash tells the variants of a class apart.
    "DiffWave-unconditional": ModelEntry(
        lambda: models.DiffWave(**SMALL_DIFFUSION), {**AUDIO, **STEP}
    ),
    "DiffWave-vocoder": ModelEntry(
        lambda: models.DiffWave(
            **SMALL_DIFFUSION,
            upsampler=STRETCH,
            local_channels=5,
            num_speakers=3,
            speaker_channels=2,
        ),
        {**AUDIO, **MASK, **MEL, **SPEAKER, **STEP},
    ),
    "DiffWave-switches": ModelEntry(
        lambda: models.DiffWave(
            **SMALL_DIFFUSION,
            inference_schedule=[0.02, 0.3],
            loss_norm="l2",
            prior=0.5,
            step_order="descending",
            step_in_residual=True,
            weight_norm=True,
        ),
        {**AUDIO, **STEP},
    ),
    "DiffWave-prior": ModelEntry(
        lambda: models.DiffWave(
            **SMALL_DIFFUSION, prior="energy", upsampler=STRETCH, recipe=RECIPE, local_channels=5
        ),
        {**AUDIO, **MASK, **MEL, **STEP},
    ),
    "DiffWave-own-upsamplers": ModelEntry(
        lambda: models.DiffWave(
            **SMALL_DIFFUSION,
            upsampler=STRETCH,
            upsampler_per_block=True,
            local_channels=5,
            step_order="one_based",
        ),
        {**AUDIO, **MASK, **MEL, **STEP},
    ),
    "WaveNet-unconditional": ModelEntry(
        lambda: models.WaveNet(**SMALL, distribution=distributions.Categorical(16)), CODES
    ),
    "WaveNet-text": ModelEntry(
        lambda: models.WaveNet(**SMALL, distribution=distributions.Categorical(16), recipe=TEXT),
        CODES,
    ),
    "WaveNet-vocoder": ModelEntry(
        lambda: models.WaveNet(
            **SMALL,
            kernel_size=3,
            distribution=distributions.MixtureOfLogistics(components=2),
            upsampler=STRETCH,
            local_channels=5,
            num_speakers=3,
            speaker_channels=2,
        ),
        {**AUDIO, **MASK, **MEL, **SPEAKER},
    ),
    "WaveNet-given-conditioning": ModelEntry(
        lambda: models.WaveNet(
            **SMALL,
            distribution="Gaussian",
            upsampler={"class_name": "IdentityUpsampler", "config": {}},
            local_channels=2 * 8,
            project_local=False,
        ),
        {**AUDIO, "mel": noise(2, 24, 2 * 8)},
    ),
    "ParallelWaveNet-gaussian": ModelEntry(
        lambda: models.ParallelWaveNet(
            **SMALL_STUDENT, upsampler=STRETCH, local_channels=5, num_speakers=3, speaker_channels=2
        ),
        {**STUDIED, **STUDIED_CONDITIONS},
        lambda: models.WaveNet(
            **SMALL,
            distribution="Gaussian",
            upsampler=STRETCH,
            local_channels=5,
            num_speakers=3,
            speaker_channels=2,
        ),
    ),
    "ParallelWaveNet-logistic": ModelEntry(
        lambda: models.ParallelWaveNet(**SMALL_STUDENT, noise="logistic"),
        STUDIED,
        lambda: models.WaveNet(**SMALL, distribution="MixtureOfLogistics"),
    ),
    "WaveNet-switches": ModelEntry(
        lambda: models.WaveNet(
            **SMALL,
            distribution="Gaussian",
            input_kernel_size=2,
            input_bias=False,
            input_activation="tanh",
            head_channels=5,
            head_bias=False,
            residual_scale=1.0,
            skip_mode="recursive",
            num_speakers=3,
            speaker_channels=2,
            global_bias=True,
            weight_norm=False,
        ),
        {**AUDIO, **SPEAKER},
    ),
}


SCHEDULES: dict[str, Callable[[], keras.optimizers.schedules.LearningRateSchedule]] = {
    "CosineWithWarmup": lambda: schedules.CosineWithWarmup(
        0.1, total_steps=50, warmup_steps=5, floor=0.01
    ),
    "FlooredExponentialDecay": lambda: schedules.FlooredExponentialDecay(
        0.1, decay_steps=10, decay_rate=0.5, floor=0.01, staircase=True
    ),
    "Noam": lambda: schedules.Noam(0.1, warmup_steps=7),
}

STEPS_PER_EPOCH = 2


def _sample_summaries(model: keras.Model, folder: pathlib.Path) -> keras.callbacks.Callback:
    example = summaries.Example("an utterance", noise(32) / 5, MEL["mel"][0], 1)
    return summaries.SampleSummaries(
        [example],
        recipe=RECIPE,
        writer=tf.summary.create_file_writer(str(folder)),
        samples=folder,
        every_epochs=2,
        steps_per_epoch=STEPS_PER_EPOCH,
    )


def _text_summaries(model: keras.Model, folder: pathlib.Path) -> keras.callbacks.Callback:
    example = summaries.Example("a text", CODES["audio"][0], None, 0)
    return text_summaries.TextSummaries(
        [example],
        recipe=TEXT,
        writer=tf.summary.create_file_writer(str(folder)),
        samples=folder,
        every_epochs=2,
        steps_per_epoch=STEPS_PER_EPOCH,
    )


# Each takes a compiled model with its weights, a vocoder but for those named in `FITTED_MODELS`, and
# an empty folder.
CALLBACKS: dict[str, Callable[[keras.Model, pathlib.Path], keras.callbacks.Callback]] = {
    "EpochProgress": lambda model, folder: callbacks.EpochProgress(2, STEPS_PER_EPOCH),
    "Measurements": lambda model, folder: callbacks.Measurements(samples_per_step=48),
    "SampleSummaries": _sample_summaries,
    "SaveCheckpoint": lambda model, folder: callbacks.SaveCheckpoint(
        Checkpoints(folder, model=model), STEPS_PER_EPOCH
    ),
    "ScalarSummaries": lambda model, folder: summaries.ScalarSummaries(
        tf.summary.create_file_writer(str(folder)), STEPS_PER_EPOCH
    ),
    "StopOnNonFinite": lambda model, folder: callbacks.StopOnNonFinite(
        STEPS_PER_EPOCH, lambda step: f"Batch {step}."
    ),
    "TextSummaries": _text_summaries,
    "UpdateAverage": lambda model, folder: ema.UpdateAverage(
        ema.ExponentialMovingAverage(model, decay=0.9)
    ),
}


FITTED_MODELS = {"TextSummaries": "WaveNet-text"}


def public_classes(*bases: type) -> dict[str, type]:
    """The public subclasses of `bases` that the package defines, by name."""
    return {
        name: member
        for module in _modules()
        for name, member in inspect.getmembers(module, inspect.isclass)
        if member.__module__ == module.__name__
        and issubclass(member, bases)
        and not name.startswith("_")
        and name not in ABSTRACT
    }


def _modules() -> Iterator[Any]:
    for module in pkgutil.walk_packages(tfwavenet.__path__, "tfwavenet."):
        if not module.name.startswith(("tfwavenet.launch", "tfwavenet.configs")):
            yield importlib.import_module(module.name)
