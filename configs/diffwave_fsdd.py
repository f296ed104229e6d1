"""A DiffWave of 8 kHz digits, made to be trained within an hour on two CPU cores.

    tfwavenet-train --config=configs/diffwave_fsdd.py:vocoder --config.data.root=PATH/TO/fsdd \
        --workdir=runs/diffwave_fsdd
    tfwavenet-evaluate --workdir=runs/diffwave_fsdd --split=test

Data: the Free Spoken Digit Dataset, six speakers, about 20 minutes. Three kinds:

- `vocoder`: conditioned on the mels of `configs/fsdd.py` and on the speaker; best sampled at
  `--temperature=0.85`.
- `digits`: conditioned on the digit; `tfwavenet-generate --seconds=0.6 --label=seven` says a seven.
- `unconditional`: digits without a condition.

Results: see docs/measurements.md.
"""

from __future__ import annotations

from typing import Literal

import ml_collections

from tfwavenet.training.config import default_config

Kind = Literal["vocoder", "digits", "unconditional"]


def get_config(kind: Kind = "vocoder") -> ml_collections.ConfigDict:
    config = default_config("DiffWave")
    config.recipe = {
        "base": "speech_8k",
        "n_mels": 24,
        "normalization": "standard",
        "peak": 0.999,
        "pre_emphasis": 0.85,
        "signal_gain": 0.8,
    }
    config.training.update(steps_per_epoch=500, ema_decay=0.999, precision="mixed_bfloat16")
    config.training.update(validation_batches=16, sample_epochs=0)
    if kind == "vocoder":
        # 40 ms of context before and after a sample: some periods of a voice. The mels tell the rest.
        config.model.update(
            num_layers=20,
            dilation_cycle=7,
            residual_channels=64,
            upsampler={
                "class_name": "StretchUpsampler",
                "config": {"scales": [5, 4, 4], "padding_frames": 2, "input_context": True},
            },
            speaker_channels=16,
            # The levels of the speakers differ by 25 dB, and the levels within a word as much.
            prior="energy",
            schedule={"steps": 50, "first": 1e-4, "last": 0.2},
        )
        config.data.update(corpus="fsdd", root="fsdd", batch_size=3, crop_frames=24)
        steps = 22_500
    elif kind in ("digits", "unconditional"):
        # Half a second of context before and after a sample: most digits from end to end.
        config.model.update(
            num_layers=22,
            dilation_cycle=11,
            residual_channels=64,
            # The prior has the level of the recordings. With "l2" loud samples, the voice, weigh more.
            prior=0.08,
            loss_norm="l2",
            schedule={"steps": 50, "first": 1e-4, "last": 0.2},
            speaker_channels=64 if kind == "digits" else None,
        )
        config.data.update(corpus="fsdd_digits", root="fsdd", with_mel=False)
        config.data.update(batch_size=2, crop_frames=64)
        steps = 13_000
    else:
        raise ValueError(
            f'the kind must be "vocoder", "digits" or "unconditional". Received: kind={kind!r}'
        )
    config.training.steps = steps
    config.training.learning_rate = {
        "class_name": "CosineWithWarmup",
        "config": {"peak": 1e-3, "warmup_steps": 300, "total_steps": steps, "floor": 1e-5},
    }
    return config
