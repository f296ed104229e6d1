"""The network of NVIDIA's nv-wavenet on LJ Speech at 16 kHz.

    tfwavenet-train --config=configs/nv_wavenet.py --config.data.root=LJSpeech-1.1 \
        --workdir=runs/nv_wavenet

16 layers in 2 cycles, two taps, no weight normalization, 64 residual and 256 skip channels; 6
million weights, most of them in the upsampling filter that mixes all mels (80 x 80 x 800).
Receptive field 511 samples (32 ms). Short form: `:smoke`.

Hardware: made for one GPU.

Source: NVIDIA/nv-wavenet, pytorch/config.json and wavenet.py.
"""

from __future__ import annotations

import ml_collections

from tfwavenet.training import smoke
from tfwavenet.training.config import default_config


def get_config(form: smoke.Form = "full") -> ml_collections.ConfigDict:
    config = default_config()
    config.recipe = "nv_wavenet"
    config.model.update(
        num_layers=16,
        dilation_cycle=8,
        residual_channels=64,
        gate_channels=128,
        skip_channels=256,
        kernel_size=2,
        distribution={"class_name": "Categorical", "config": {"classes": 256}},
        input_bias=False,
        head_channels=256,
        head_bias=False,
        residual_scale=1.0,
        skip_mode="sum",
        upsampler={
            "class_name": "LearnedUpsampler",
            "config": {"scales": [200], "kernel_frames": 4},
        },
        local_bias=True,
        weight_norm=False,
    )
    config.data.update(corpus="ljspeech", batch_size=8, crop_frames=80)
    config.training.update(steps=500_000, steps_per_epoch=5000, clip_norm=None, ema_decay=None)
    config.training.learning_rate = 1e-3
    return smoke.in_form(config, form)
