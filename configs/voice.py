"""The networks of the presets: vocoders of 16 kHz speech that know no speaker.

    tfwavenet-train --config=configs/voice.py:wavenet --config.data.root=PATH/TO/voices \
        --workdir=runs/voice_wavenet
    tfwavenet-evaluate --workdir=runs/voice_wavenet --split=test

Data: a folder of recordings, one folder per voice. The presets were trained on 90 minutes of two
voices and the recordings that come with the package; see docs/presets.md. Kinds:

- `wavenet`: 8-bit mu-law, one sample at a time.
- `diffwave`: six denoising steps.

Hardware: two CPU cores; each kind was trained on one of them, for an hour and three
quarters.
"""

from __future__ import annotations

from typing import Literal

import ml_collections

from tfwavenet.training.config import default_config

Kind = Literal["wavenet", "diffwave"]

# Levels are made equal, so that a recording of any level is taken. Standardized mels train faster.
RECIPE = {"base": "speech_16k", "normalization": "standard", "peak": 0.95, "signal_gain": 0.9}
UPSAMPLER = {
    "class_name": "StretchUpsampler",
    "config": {"scales": [5, 4, 8], "padding_frames": 2, "input_context": True},
}


def get_config(kind: Kind = "wavenet") -> ml_collections.ConfigDict:
    if kind == "wavenet":
        config = default_config("WaveNet")
        config.model.update(
            num_layers=14,
            dilation_cycle=7,
            residual_channels=64,
            gate_channels=128,
            skip_channels=128,
            kernel_size=3,
        )
        # Small batches: many updates in little time.
        config.data.update(batch_size=2, crop_frames=14)
        steps, peak = 45_000, 1.5e-3
    elif kind == "diffwave":
        config = default_config("DiffWave")
        config.model.update(
            num_layers=16,
            dilation_cycle=8,
            residual_channels=64,
            step_channels=128,
            prior="energy",
            schedule={"steps": 50, "first": 1e-4, "last": 0.2},
        )
        config.data.update(batch_size=2, crop_frames=24)
        steps, peak = 30_000, 1e-3
    else:
        raise ValueError(f'the kind must be "wavenet" or "diffwave". Received: kind={kind!r}')
    config.recipe = RECIPE
    config.model.upsampler = UPSAMPLER
    config.data.update(corpus="folder", root="voices", validation=0.01, test=0.02)
    config.training.update(
        steps=steps,
        precision="mixed_bfloat16",
        ema_decay=0.9995,
        validation_batches=16,
        sample_epochs=0,
    )
    config.training.learning_rate = {
        "class_name": "CosineWithWarmup",
        "config": {"peak": peak, "warmup_steps": 500, "total_steps": steps, "floor": 1e-5},
    }
    return config
