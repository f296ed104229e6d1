"""What Keras 2 and Keras 3 call differently."""

from __future__ import annotations

import keras
import tensorflow as tf

KERAS_3 = int(keras.__version__.split(".")[0]) >= 3


def through_saved_model(model, path, inputs):
    """Writes a SavedModel as the installed Keras does it, and returns the loaded program."""
    if not KERAS_3:
        model.save(path)
        return keras.models.load_model(path)
    specs = tf.nest.map_structure(
        lambda value: tf.TensorSpec([None, *value.shape[1:]], value.dtype), inputs
    )
    model.export(str(path), input_signature=[specs], verbose=False)
    loaded = tf.saved_model.load(str(path))

    def serve(given):
        return loaded.serve(given)  # `loaded` keeps the variables alive

    return serve
