"""Training on several devices, each in a process that has them."""

import subprocess
import sys

import pytest

SCRIPT = """
import numpy as np
import keras
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

from tfwavenet.models import WaveNet

def updated(strategy):
    with strategy.scope():
        keras.utils.set_random_seed(1)
        model = WaveNet(num_layers=2, dilation_cycle=2, residual_channels=4, gate_channels=4,
                        skip_channels=4, distribution="MixtureOfLogistics")
        model.build()
        model.compile(keras.optimizers.SGD(0.1))
    audio = np.sin(np.arange(4 * 20.0)).reshape(4, 20).astype(np.float32)
    data = tf.data.Dataset.from_tensors({"audio": audio}).unbatch().batch(4)
    model.fit(data, verbose=0)
    return model.get_weights()

alone = updated(tf.distribute.get_strategy())
mirrored = updated(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]))
for one, other in zip(alone, mirrored):
    np.testing.assert_allclose(one, other, atol=1e-5)
"""


@pytest.mark.slow
def test_two_replicas_make_the_update_of_one():
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr[-2000:]
