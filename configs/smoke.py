"""The smallest run that tests every stage; it tells nothing about quality.

    tfwavenet-train --config=configs/smoke.py --workdir=runs/smoke

Hardware: two CPU cores, under a minute: preparation of the bundled speech, 30 updates of a network
of six layers, validation, samples, checkpoints.
"""

from __future__ import annotations

import ml_collections

from tfwavenet.training.config import default_config


def get_config() -> ml_collections.ConfigDict:
    config = default_config()
    config.recipe = "speech_8k"
    config.model.update(
        num_layers=6,
        dilation_cycle=6,
        residual_channels=16,
        gate_channels=32,
        skip_channels=32,
        kernel_size=2,
        distribution={"class_name": "MixtureOfLogistics", "config": {"components": 5}},
        upsampler={
            "class_name": "StretchUpsampler",
            "config": {"scales": [8, 10], "padding_frames": 1, "input_context": True},
        },
        speaker_channels=8,
    )
    config.data.update(corpus="bundled", batch_size=4, crop_frames=10)
    config.training.update(
        steps=30,
        steps_per_epoch=10,
        validation_batches=2,
        sample_epochs=3,
        sample_seconds=0.5,
    )
    config.training.learning_rate = 2e-3
    return config
