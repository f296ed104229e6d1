"""Fine-tuning: trains a preset, or the model of another run, on with other recordings.

    tfwavenet-train --preset=wavenet_speech_16k --config.data.corpus=folder \
        --config.data.root=PATH/TO/recordings --workdir=runs/mine

Network and recipe are those of the preset. One update sees batch_size * crop_frames frames; the
rate is a tenth of what training from the start takes, and falls to zero by a cosine.

Hardware: two CPU cores.
"""

from __future__ import annotations

import ml_collections

from tfwavenet.training.config import default_config


def get_config() -> ml_collections.ConfigDict:
    config = default_config()
    config.data.update(batch_size=4, crop_frames=16)
    config.training.update(
        steps=3000, steps_per_epoch=500, ema_decay=0.999, validation_batches=8, sample_epochs=0
    )
    config.training.learning_rate = {
        "class_name": "CosineWithWarmup",
        "config": {"peak": 2e-4, "warmup_steps": 100, "total_steps": 3000, "floor": 1e-6},
    }
    return config
