"""A small vocoder for the bundled speech, trained in a few minutes.

    tfwavenet-quickstart --workdir=quickstart

8 kHz, 8-bit mu-law, 12 layers in 2 cycles, 0.2 million weights, receptive field 253 samples
(32 ms). The training data are 36 seconds of three synthetic voices.

Hardware: two CPU cores, under two minutes of training. The result has the rhythm and the loudness of
the sentences, and hardly their words. It shows that everything works, not what a WaveNet can do. For
that see `fsdd`, which takes an hour.
"""

from __future__ import annotations

import ml_collections

from tfwavenet.training.config import default_config


def get_config() -> ml_collections.ConfigDict:
    config = default_config()
    config.recipe = "speech_8k"
    config.model.update(
        num_layers=12,
        dilation_cycle=6,
        residual_channels=32,
        gate_channels=64,
        skip_channels=64,
        kernel_size=3,
        distribution={"class_name": "Categorical", "config": {"classes": 256}},
        upsampler={
            "class_name": "StretchUpsampler",
            "config": {"scales": [8, 10], "padding_frames": 2, "input_context": True},
        },
    )
    config.data.update(corpus="bundled", batch_size=4, crop_frames=10)
    config.training.update(
        steps=1200,
        steps_per_epoch=200,
        ema_decay=0.99,
        validation_batches=2,
        sample_epochs=0,
    )
    config.training.learning_rate = {
        "class_name": "CosineWithWarmup",
        "config": {"peak": 2e-3, "total_steps": 1200, "warmup_steps": 100, "floor": 1e-5},
    }
    return config
