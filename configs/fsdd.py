"""A multi-speaker vocoder of 8 kHz digits, made to be trained within an hour on two CPU cores.

    tfwavenet-train --config=configs/fsdd.py --config.data.root=PATH/TO/fsdd --workdir=runs/fsdd
    tfwavenet-evaluate --workdir=runs/fsdd --split=test

Data: the Free Spoken Digit Dataset, six speakers, about 20 minutes. Aim: copy synthesis of held-out
digits that is better than Griffin-Lim from the same mels, on PESQ, on the median error of F0 and on
multi-resolution spectral convergence. Results: see docs/measurements.md.

There are two further kinds. `gaussian` predicts a Gaussian, and is the teacher of `student`, which
makes one pass from noise to audio. The evaluation of a student shows the teacher beside it.

    tfwavenet-train --config=configs/fsdd.py:gaussian --config.data.root=PATH/TO/fsdd \
        --workdir=runs/teacher
    tfwavenet-train --config=configs/fsdd.py:student --config.training.teacher=runs/teacher \
        --config.data.root=PATH/TO/fsdd --workdir=runs/student
"""

from __future__ import annotations

from typing import Literal

import ml_collections

from tfwavenet.training.config import default_config

Kind = Literal["mulaw", "gaussian", "student"]

DISTRIBUTIONS = {
    "mulaw": {"class_name": "Categorical", "config": {"classes": 256}},
    # The noise of the recordings lies below e**-7 of full scale.
    "gaussian": {"class_name": "Gaussian", "config": {"log_scale_min": -7.0}},
}
UPSAMPLER = {
    "class_name": "StretchUpsampler",
    "config": {"scales": [5, 4, 4], "padding_frames": 2, "input_context": True},
}


def get_config(kind: Kind = "mulaw") -> ml_collections.ConfigDict:
    config = default_config("ParallelWaveNet" if kind == "student" else "WaveNet")
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
        dilation_cycle=6,
        residual_channels=64,
        gate_channels=128,
        kernel_size=3,
        upsampler=UPSAMPLER,
        speaker_channels=16,
    )
    config.data.update(corpus="fsdd", root="fsdd", batch_size=2, crop_frames=24)
    config.training.update(
        steps_per_epoch=1000,
        ema_decay=0.999,
        precision="mixed_bfloat16",
        validation_batches=16,
        sample_epochs=0,
    )
    if kind in DISTRIBUTIONS:
        config.model.update(num_layers=12, skip_channels=128, distribution=DISTRIBUTIONS[kind])
        steps, peak = 31_000, 2e-3
    elif kind == "student":
        config.model.update(
            # A student sees only the noise before a sample, so its receptive field covers the phase.
            flow_layers=[8, 8, 8],
            dilation_cycle=8,
            skip_channels=64,
            # The median of the teacher's log scales.
            initial_log_scale=-4.4,
            spectral_resolutions=[[256, 30, 120], [512, 60, 300], [1024, 120, 600]],
        )
        config.training.teacher = "runs/teacher"
        config.training.clip_norm = 10.0
        steps, peak = 12_000, 1e-3
    else:
        raise ValueError(
            f'the kind must be "mulaw", "gaussian" or "student". Received: kind={kind!r}'
        )
    config.training.steps = steps
    config.training.learning_rate = {
        "class_name": "CosineWithWarmup",
        "config": {"peak": peak, "warmup_steps": 500, "total_steps": steps, "floor": 2e-5},
    }
    return config
