"""Chooses the devices and machines of a training, and what each process of it does.

Every process runs the same program on its own rows of each batch. The first worker alone prepares
the data, takes the lock, logs, generates samples and writes into the workdir. The other workers
wait for it at most `PREPARING_SECONDS`, and write nothing.
"""

from __future__ import annotations

import functools
import json
import os
import zlib
from typing import Any, Union

import ml_collections
import tensorflow as tf

from tfwavenet import keras_versions
from tfwavenet.data.sampling import WHOLE, Share
from tfwavenet.training.config_keys import STRATEGIES

# Longest wait for the first worker to prepare the data or to generate samples. TensorFlow takes a
# worker that is silent for 10 seconds for dead.
PREPARING_SECONDS = 6 * 3600

Strategy = Union[str, tf.distribute.Strategy]


class WorkerLostError(OSError):
    """Reports that another worker ended or does not answer; training can be started again."""


def choose(given: Strategy | None, name: str) -> tf.distribute.Strategy:
    """Returns the strategy of a training.

    Args:
        given: a name of `config_keys.STRATEGIES` or a strategy; it comes first. If None, the strategy in whose
            scope the caller is comes next, and then the name of the config.
        name: value of the config key `training.strategy`.

    Raises:
        ValueError: If there is no such strategy, its replicas do not update together, or it
            cannot be started.
    """
    if given is None and tf.distribute.has_strategy():
        given = tf.distribute.get_strategy()
    chosen = name if given is None else given
    if isinstance(chosen, str):
        return _named(chosen)
    if not isinstance(chosen, tf.distribute.Strategy):
        raise ValueError(
            f"a strategy must be one of {', '.join(STRATEGIES)} or a tf.distribute.Strategy. "
            f"Received: strategy={chosen!r}"
        )
    if isinstance(chosen, tf.distribute.experimental.ParameterServerStrategy):
        raise ValueError(
            "the replicas of a strategy must make each update together, as those of "
            "MirroredStrategy and MultiWorkerMirroredStrategy do. "
            f"Received: strategy={type(chosen).__name__}"
        )
    return chosen


def is_first(strategy: tf.distribute.Strategy) -> bool:
    """Tells whether this process prepares, logs and writes: the only one, or the first worker.

    Args:
        strategy: from `choose`.
    """
    return _is_first(strategy.cluster_resolver)


def is_first_of_cluster() -> bool:
    """Tells whether this process is the first of those in `TF_CONFIG`, or there are no others."""
    named = os.environ.get("TF_CONFIG")
    return not named or _is_first(tf.distribute.cluster_resolver.TFConfigClusterResolver())


def is_loss(strategy: tf.distribute.Strategy, error: tf.errors.OpError) -> bool:
    """Tells whether an error says that another worker is gone.

    Args:
        strategy: from `choose`.
        error: raised while training.
    """
    unreachable = (tf.errors.UnavailableError, tf.errors.DeadlineExceededError)
    aborted = isinstance(error, unreachable) or "Collective ops is aborted" in error.message
    return strategy.cluster_resolver is not None and aborted


def wait_for_first(strategy: tf.distribute.Strategy, config: ml_collections.ConfigDict) -> None:
    """Waits until all workers are here, the first of which may have work of its own before.

    Args:
        strategy: from `choose`. If it has one replica, nothing happens.
        config: the resolved config, which must be that of the first worker.

    Raises:
        ValueError: If the first worker has another config.
        tf.errors.OpError: If another worker has died, or the wait was too long.
    """
    if strategy.num_replicas_in_sync == 1:
        return
    text = json.dumps(config.to_dict(), sort_keys=True)
    own = zlib.crc32(text.encode())
    expected = _of_first(strategy, own)
    if own != expected:
        raise ValueError(
            "all workers must train with the config of the first worker, whose checksum is "
            f"{expected}. Received: a config of checksum {own}"
        )


def check(strategy: tf.distribute.Strategy, config: ml_collections.ConfigDict) -> None:
    """Checks that the replicas of a strategy can train by a config together.

    Args:
        strategy: from `choose`.
        config: a resolved config.

    Raises:
        ValueError: If they cannot share the batches, or TensorFlow cannot do it.
    """
    replicas, training = strategy.num_replicas_in_sync, config.training
    if replicas == 1:
        return
    if config.data.batch_size % replicas:
        raise ValueError(
            f"config key 'data.batch_size' must be a multiple of the {replicas} replicas, which "
            f"share each batch. Received: data.batch_size={config.data.batch_size}"
        )
    if training.jit_compile and not tf.config.list_logical_devices("GPU"):
        raise ValueError(
            "config key 'training.jit_compile' must be False for several replicas without GPUs, "
            f"for which XLA has no sums. Received: training.jit_compile=True with {replicas} "
            "replicas"
        )
    if training.optimizer != "Adam" and training.clip_norm is not None:
        raise ValueError(
            "config key 'training.clip_norm' must be None for several replicas and an optimizer of "
            "Keras, which clips the gradients of each replica before it adds them up. "
            f"Received: training.clip_norm={training.clip_norm}, "
            f"training.optimizer={training.optimizer!r}"
        )
    several = strategy.cluster_resolver is not None
    if several and training.precision == "mixed_float16" and not keras_versions.UNIFORM_LOSS_SCALE:
        raise ValueError(
            "config key 'training.precision' must be 'float32' or 'mixed_bfloat16' for several "
            "workers on Keras 3, where each of them would look for overflows alone. "
            "Received: training.precision='mixed_float16'"
        )


def dealt(strategy: tf.distribute.Strategy, dataset: Any) -> Any:
    """Deals the batches of a dataset to the replicas.

    Args:
        strategy: from `choose`.
        dataset: takes the `Share` of a host and returns its rows as an endless dataset, with an
            element for each of its replicas.

    Returns:
        The whole dataset for one replica, else a `tf.distribute.DistributedDataset`.
    """
    if strategy.num_replicas_in_sync == 1:
        return dataset(WHOLE)

    def of_host(inputs: tf.distribute.InputContext) -> tf.data.Dataset:
        hosts = inputs.num_input_pipelines
        replicas = inputs.num_replicas_in_sync // hosts
        return dataset(Share(inputs.input_pipeline_id, hosts, replicas))

    return strategy.distribute_datasets_from_function(of_host)


def _is_first(resolver: Any) -> bool:
    if resolver is None or not resolver.task_type:
        return True
    has_chief = "chief" in resolver.cluster_spec().jobs
    first = resolver.task_id == 0 and not has_chief
    return resolver.task_type == "chief" or (resolver.task_type == "worker" and first)


def _named(name: str) -> tf.distribute.Strategy:
    if name not in STRATEGIES:
        raise ValueError(
            f"a strategy must be one of {', '.join(STRATEGIES)}. Received: strategy={name!r}"
        )
    if name == "one":
        return tf.distribute.get_strategy()
    return _mirrored() if name == "mirrored" else _multi_worker()


@functools.cache
def _mirrored() -> tf.distribute.Strategy:
    # Two strategies in a process would number their messages alike.
    return tf.distribute.MirroredStrategy()


@functools.cache
def _multi_worker() -> tf.distribute.Strategy:
    if not os.environ.get("TF_CONFIG"):
        raise ValueError(
            "the strategy multi_worker needs the environment variable TF_CONFIG, which names all "
            "workers (docs/scaling.md shows it), or --workers of tfwavenet-train. "
            "Received: no TF_CONFIG"
        )
    options = tf.distribute.experimental.CommunicationOptions(timeout_seconds=PREPARING_SECONDS)
    try:
        return tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)
    except RuntimeError as error:
        if "startup" not in str(error):
            raise
        raise ValueError(
            "the strategy multi_worker must be started before any other work of TensorFlow in the "
            f"process. Received: {error}"
        ) from error
    except tf.errors.OpError as error:
        raise WorkerLostError(
            0, f"the workers of TF_CONFIG could not be reached ({error.message})"
        ) from error


def _of_first(strategy: tf.distribute.Strategy, value: int) -> int:
    """Returns the value that the first replica of the first worker has."""

    @tf.function(autograph=False)
    def share() -> Any:
        return strategy.run(_sum_of_first, args=(tf.constant(value, tf.int64),))

    return int(strategy.experimental_local_results(share())[0])


def _sum_of_first(value: tf.Tensor) -> tf.Tensor:
    replica = tf.distribute.get_replica_context()
    is_first_replica = tf.cast(tf.equal(replica.replica_id_in_sync_group, 0), tf.int64)
    return replica.all_reduce(tf.distribute.ReduceOp.SUM, value * is_first_replica)
