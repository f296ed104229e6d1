"""The training of the quickstart: a preset is trained on for about a minute on the bundled speech.

    tfwavenet-quickstart --workdir=quickstart

36 seconds of three synthetic voices. So short a training shows how training works; the sentences are
as good before it.

Hardware: two CPU cores.
"""

from __future__ import annotations

import ml_collections

from tfwavenet.training.config import default_config

STEPS = 400


def get_config() -> ml_collections.ConfigDict:
    config = default_config()
    config.data.update(corpus="bundled", batch_size=2, crop_frames=14)
    config.training.update(
        init="wavenet_speech_16k",
        steps=STEPS,
        steps_per_epoch=STEPS // 4,
        ema_decay=0.99,
        validation_batches=2,
        sample_epochs=0,
    )
    config.training.learning_rate = {
        "class_name": "CosineWithWarmup",
        "config": {"peak": 1e-4, "total_steps": STEPS, "warmup_steps": 20, "floor": 1e-6},
    }
    return config
