"""A multi-speaker vocoder of 8 kHz digits, made to be trained within an hour on two CPU cores.

    tfwavenet-train --config=configs/fsdd.py --config.data.root=PATH/TO/fsdd --workdir=runs/fsdd
    tfwavenet-evaluate --workdir=runs/fsdd --split=test

Data: the Free Spoken Digit Dataset, six speakers, about 20 minutes. To reach: copy synthesis of
held-out digits that beats Griffin-Lim from the same mels on PESQ, on the median error of F0 and on
multi-resolution spectral convergence. What was reached: see WORKSPACE.md, Measurements.
"""

from __future__ import annotations

import ml_collections

from tfwavenet.training.config import default_config


def get_config() -> ml_collections.ConfigDict:
    config = default_config()
    # 24 bands are what speech recognition uses at this rate. The speakers' levels differ by 25 dB.
    config.recipe = {
        "base": "speech_8k",
        "n_mels": 24,
        "normalization": "standard",
        "peak": 0.999,
        "pre_emphasis": 0.85,
        "signal_gain": 0.8,
    }
    config.model.update(
        layers=12,
        dilation_cycle=6,
        residual_channels=64,
        gate_channels=128,
        skip_channels=128,
        kernel_size=3,
        distribution={"class_name": "Categorical", "config": {"classes": 256}},
        upsampler={
            "class_name": "StretchUpsampler",
            "config": {"scales": [5, 4, 4], "padding_frames": 2, "input_context": True},
        },
        speaker_channels=16,
    )
    config.data.update(corpus="fsdd", root="fsdd", batch_size=2, crop_frames=24)
    config.training.update(
        steps=31_000,
        steps_per_epoch=1000,
        ema_decay=0.999,
        precision="mixed_bfloat16",
        validation_batches=16,
        sample_epochs=0,
    )
    config.training.learning_rate = {
        "class_name": "CosineWithWarmup",
        "config": {"peak": 2e-3, "warmup_steps": 500, "total_steps": 31_000, "floor": 2e-5},
    }
    return config
