"""Trains small models alone, on two devices and in parts of batches, in one process.

    python -m tests.support.two_devices categorical

The tests start it as a program. It ends with an error if losses, weights or the norm of the
gradients differ by more than rounding.
"""

from __future__ import annotations

import sys

import keras
import numpy as np
import tensorflow as tf

from tfwavenet.layers import StretchUpsampler
from tfwavenet.models import DiffWave, ParallelWaveNet, WaveNet
from tfwavenet.training.optimizer import MeasuredAdam

ROWS, SAMPLES, HOP, MELS, STEPS = 4, 24, 6, 5, 3
SIZES = {"dilation_cycle": 2, "residual_channels": 4, "gate_channels": 4, "skip_channels": 4}


def with_features():
    upsampler = StretchUpsampler((2, 3), padding_frames=1, input_context=True)
    return {"upsampler": upsampler, "local_channels": MELS}


def wavenet(distribution, **arguments):
    return WaveNet(num_layers=2, distribution=distribution, **SIZES, **arguments)


def student(noise, distribution, **arguments):
    model = ParallelWaveNet(
        flow_layers=(2, 2),
        noise=noise,
        spectral_resolutions=[(16, 4, 16)],
        **SIZES,
        **with_features(),
        **arguments,
    )
    teacher = wavenet(distribution, **with_features())
    teacher.build()
    model.set_teacher(teacher)
    return model


MODELS = {
    "categorical": lambda: wavenet(
        {"class_name": "Categorical", "config": {"classes": 16}}, dropout=0.3
    ),
    "mixture": lambda: wavenet("MixtureOfLogistics", dropout=0.2, **with_features()),
    "diffwave": lambda: DiffWave(
        num_layers=2, dilation_cycle=2, residual_channels=4, **with_features()
    ),
    "student": lambda: student("gaussian", "Gaussian", contrastive_weight=0.3),
    "logistic student": lambda: student("logistic", "MixtureOfLogistics"),
}


def rows():
    """Rows of full length, of half of it, of three samples and of none."""
    generator = np.random.default_rng(0)
    lengths = np.tile([SAMPLES, SAMPLES // 2, 3, 0], STEPS)
    shape = (STEPS * ROWS, SAMPLES)
    return {
        "audio": np.clip(generator.normal(0, 0.3, shape), -1, 1).astype(np.float32),
        "mask": np.arange(SAMPLES) < lengths[:, np.newaxis],
        "mel": generator.normal(size=(len(lengths), SAMPLES // HOP + 2, MELS)).astype(np.float32),
    }


def trained(strategy, make, *, static, parts=1):
    """Returns weights, logs of the epochs and the norm of the gradients after two epochs."""
    with strategy.scope():
        keras.utils.set_random_seed(1)
        model = make()
        model.build()
        # With a small epsilon Adam makes whole steps of gradients that are mere rounding.
        optimizer = MeasuredAdam(1e-2, epsilon=1e-3, global_clipnorm=0.5)
        model.compile(optimizer, accumulate=parts)
        model.optimizer.build(model.trainable_variables)
    data = tf.data.Dataset.from_tensor_slices(rows()).batch(ROWS, drop_remainder=static)
    history = model.fit(data, validation_data=data, epochs=2, verbose=0).history
    weights = [np.array(weight) for weight in model.trainable_variables]
    return weights, history, model.optimizer.take_mean_gradient_norm()


def compare(expected, found):
    weights, history, norm = expected
    found, other_history, other_norm = found
    assert len(weights) == len(found) > 4
    for one, other in zip(weights, found):
        np.testing.assert_allclose(other, one, rtol=1e-5, atol=2e-6)
    assert {"loss", "val_loss"} <= history.keys()
    for name, values in history.items():
        np.testing.assert_allclose(other_history[name], values, rtol=1e-5, err_msg=name)
    assert norm > 0.1
    np.testing.assert_allclose(other_norm, norm, rtol=1e-5)


def main(name):
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    # TensorFlow allows one strategy of several devices in a process.
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    alone, make = tf.distribute.get_strategy(), MODELS[name]
    expected = trained(alone, make, static=True)
    # The number of rows of a replica is known in the graph, and is not.
    for static in (True, False):
        compare(expected, trained(strategy, make, static=static))
    if name == "student":  # it has a contrast
        return
    for used, static, parts in ((alone, True, 4), (alone, False, 2), (strategy, True, 2)):
        compare(expected, trained(used, make, static=static, parts=parts))


if __name__ == "__main__":
    main(sys.argv[1])
