"""A WaveNet over characters, trained in a quarter of an hour.

    tfwavenet-train --config=configs/text.py --config.data.root=PATH --workdir=runs/text
    tfwavenet-evaluate --workdir=runs/text
    tfwavenet-generate --workdir=runs/text --prompt="Permission is " --temperature=0.8

PATH is a text file, or a folder of text files, of a megabyte or more. An example is the documentation
of Python, two megabytes that `python -m examples.python_texts --output=texts` writes. Another is the
folder `site-packages` of an environment, with licenses and descriptions of all its packages.

14 layers in 2 cycles with two taps: receptive field 255 characters. Crops are twice as long, so that
most characters see their whole receptive field.

Hardware: two CPU cores, ten minutes. Aim: less than 2.5 bits per character on held-out texts.
Results: see docs/measurements.md.
"""

from __future__ import annotations

import ml_collections

from tfwavenet.training.config import default_config

_STEPS = 2000


def get_config() -> ml_collections.ConfigDict:
    config = default_config()
    config.recipe = {"base": "text", "classes": 256}
    config.model.update(
        num_layers=14,
        dilation_cycle=7,
        residual_channels=128,
        gate_channels=256,
        skip_channels=256,
        kernel_size=2,
        distribution={"class_name": "Categorical", "config": {"classes": 256}},
    )
    config.data.update(corpus="text", batch_size=8, crop_frames=512)
    config.training.update(
        steps=_STEPS,
        steps_per_epoch=400,
        ema_decay=0.999,
        precision="mixed_bfloat16",
        validation_batches=16,
        sample_epochs=5,
    )
    config.training.learning_rate = {
        "class_name": "CosineWithWarmup",
        "config": {"peak": 2e-3, "warmup_steps": 200, "total_steps": _STEPS, "floor": 2e-5},
    }
    return config
