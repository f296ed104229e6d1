"""Makes short forms of experiments."""

from __future__ import annotations

from typing import Literal

import ml_collections

Form = Literal["full", "smoke"]


def in_form(config: ml_collections.ConfigDict, form: Form) -> ml_collections.ConfigDict:
    """Returns an experiment in full, or in a form that ends within a minute or two.

    The short form keeps network, recipe and learning rate. It makes a few updates on small batches
    of the bundled speech, which show that everything works on this machine.

    Args:
        config: the experiment in full; changed in place.
        form: "full" or "smoke".

    Raises:
        ValueError: If `form` is unknown.
    """
    if form not in ("full", "smoke"):
        raise ValueError(f'the form of a config must be "full" or "smoke". Received: form={form!r}')
    if form == "smoke":
        crop_frames = min(config.data.crop_frames, 8)
        config.data.update(
            corpus="bundled", root=None, records=None, batch_size=2, crop_frames=crop_frames
        )
        config.training.update(
            steps=6, steps_per_epoch=3, validation_batches=1, sample_epochs=2, sample_seconds=0.1
        )
    return config
