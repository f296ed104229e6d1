"""Small networks whose every weight matters, and features for them."""

from __future__ import annotations

import keras

from tfwavenet import rng
from tfwavenet.layers import LearnedUpsampler, StretchUpsampler, TransposedUpsampler
from tfwavenet.models import WaveNet

MELS, HOP = 5, 6
DISTRIBUTIONS = {
    "Categorical": {"class_name": "Categorical", "config": {"classes": 16}},
    "MixtureOfLogistics": {"class_name": "MixtureOfLogistics", "config": {"components": 2}},
    "Gaussian": "Gaussian",
}
UPSAMPLERS = {
    "stretch": lambda: StretchUpsampler((2, 3), padding_frames=1, input_context=True),
    "cut": lambda: StretchUpsampler((3, 2), padding_frames=2),
    "uncut": lambda: StretchUpsampler((3, 2), frequency_kernel_size=3),
    "transposed": lambda: TransposedUpsampler((2, 3)),
    "overlapping": lambda: TransposedUpsampler((6,), overlap=2, negative_slope=0.4),
    "learned": lambda: LearnedUpsampler((6,), kernel_frames=3),
}


def stir(model, amount):
    """Adds noise to all weights: zeros and averaging filters would hide mistakes."""
    for index, weight in enumerate(model.trainable_weights):
        weight.assign_add(amount * rng.normal(weight.shape, rng.make_seed(index)))


def tiny(distribution="Categorical", upsampler=None, num_speakers=None, **kwargs):
    keras.utils.set_random_seed(1)
    sizes = {"num_layers": 4, "dilation_cycle": 3, "residual_channels": 6, "gate_channels": 8}
    sizes.update(skip_channels=7, kernel_size=2)
    model = WaveNet(
        **{**sizes, **kwargs},
        distribution=DISTRIBUTIONS[distribution],
        upsampler=UPSAMPLERS[upsampler]() if upsampler else None,
        local_channels=MELS if upsampler else None,
        num_speakers=num_speakers,
        speaker_channels=3 if num_speakers else None,
    )
    model.build()
    stir(model, 0.3)
    return model


def mel(frames, seed=0):
    return rng.normal([frames, MELS], rng.make_seed(seed)).numpy()
