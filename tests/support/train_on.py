"""Trains a config in a folder on one device, on two devices, or as a worker in `TF_CONFIG`.

    python -m tests.support.train_on mirrored '{"model": ...}' workdir

Prints the logs of the epochs as JSON.
"""

from __future__ import annotations

import json
import sys

import tensorflow as tf

from tfwavenet import training

DEVICES = ["CPU:0", "CPU:1"]


def two_devices():
    cpu = tf.config.list_physical_devices("CPU")[0]
    configuration = [tf.config.LogicalDeviceConfiguration()] * len(DEVICES)
    tf.config.set_logical_device_configuration(cpu, configuration)
    return tf.distribute.MirroredStrategy(DEVICES)


def main(kind, config, workdir):
    config = json.loads(config)
    if kind == "scope":
        with two_devices().scope():
            history = training.run(config, workdir)
    else:
        strategy = two_devices() if kind == "mirrored" else kind
        history = training.run(config, workdir, strategy=strategy)
    logs = {name: list(map(float, values)) for name, values in history.history.items()}
    sys.stdout.write(f"{json.dumps(logs)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
