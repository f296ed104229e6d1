"""Positions of random crops as a pure function of seed and step, and the stages around them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfwavenet import rng
from tfwavenet.checks import whole_number


class Share(NamedTuple):
    """Describes the part of every batch that one host makes.

    The rows of a batch are dealt to the hosts in order, and on each host to its replicas.

    Attributes:
        host: number of the host, from 0.
        hosts: number of hosts.
        replicas: number of replicas on each host.
    """

    host: int = 0
    hosts: int = 1
    replicas: int = 1

    def rows(self, batch_size: int) -> range:
        """Returns the rows of a batch that the host makes.

        Args:
            batch_size: rows of the batch.

        Raises:
            ValueError: if the replicas cannot have equally many rows.
        """
        everyone = self.hosts * self.replicas
        if batch_size % everyone:
            raise ValueError(
                f"batch_size must be a multiple of the {everyone} replicas. "
                f"Received: batch_size={batch_size}"
            )
        count = batch_size // self.hosts
        return range(self.host * count, (self.host + 1) * count)


# The whole batch, of the only host and its only replica.
WHOLE = Share()


def checked_sizes(batch_size: int, crop_frames: int, padding_frames: int) -> tuple[int, int, int]:
    """Returns the sizes of a batch as Python ints.

    Raises:
        ValueError: if a size is not an integer, `padding_frames` is below 0, or another is below 1.
    """
    return (
        whole_number("batch_size", batch_size, 1),
        whole_number("crop_frames", crop_frames, 1),
        whole_number("padding_frames", padding_frames, 0),
    )


def crop_positions(
    frames: np.ndarray,
    crop_frames: int,
    *,
    seed: int,
    start_step: int,
    batch_size: int,
    share: Share = WHOLE,
) -> tf.data.Dataset:
    """Makes an endless dataset of crop positions.

    An epoch visits every window once, in a shuffled order. A record of `F` frames has
    `ceil(F / crop_frames)` windows, so long records are not under-sampled. The middle of the crop
    is drawn uniformly from the window's equal share of the record. The crop is then moved to lie
    inside the record.

    Args:
        frames: int64 [records], length of every record.
        crop_frames: frames per crop, at least 1.
        seed: chooses order and positions.
        start_step: number of batches to leave out, at least 0.
        batch_size: crops per batch, at least 1.
        share: rows of each batch to make; the other rows cost nothing.

    Returns:
        An infinite `tf.data.Dataset` of (record, first frame), int64 scalars.

    Raises:
        ValueError: if the batch cannot be shared.
    """
    counts = -(-frames // crop_frames)
    ends = np.cumsum(counts)
    base_seed = rng.make_seed(seed)
    table = tf.constant(np.stack([ends - counts, counts, frames]), tf.int64)
    ends_table = tf.constant(ends, tf.int64)

    def locate(position: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        window, fraction = _draw_window(position, base_seed, int(ends[-1]))
        record = tf.searchsorted(ends_table, [window], side="right", out_type=tf.int64)[0]
        begin, count, length = tf.unstack(table[:, record])
        within = tf.cast(window - begin, tf.float64) + tf.cast(fraction, tf.float64)
        share = within / tf.cast(count, tf.float64)
        middle = tf.cast(tf.floor(share * tf.cast(length, tf.float64)), tf.int64)
        latest = tf.maximum(length - crop_frames, 0)
        return record, tf.clip_by_value(middle - crop_frames // 2, 0, latest)

    rows = share.rows(batch_size)

    def own(number: tf.Tensor) -> tf.Tensor:
        return number // len(rows) * batch_size + rows.start + number % len(rows)

    # Positions are dealt to steps before anything else happens, so that a step can be reached
    # without the steps before it.
    dataset = tf.data.Dataset.range(start_step * len(rows), tf.int64.max)
    if share.hosts > 1:
        dataset = in_order(dataset, own)
    infinite = tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
    return in_order(dataset, locate).apply(infinite)


def in_order(dataset: tf.data.Dataset, function: Callable[..., Any]) -> tf.data.Dataset:
    """Maps a dataset in parallel, keeping its order."""
    return dataset.map(function, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)


def finish(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Adds prefetching and options: order is part of the contract, replicas share a batch."""
    options = tf.data.Options()
    options.deterministic = True
    policy = tf.data.experimental.AutoShardPolicy.DATA
    options.experimental_distribute.auto_shard_policy = policy
    return dataset.prefetch(tf.data.AUTOTUNE).with_options(options)


def _draw_window(position: tf.Tensor, seed: tf.Tensor, windows: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Draws the window at a position of the endless stream, and a uniform number for its crop.

    Args:
        position: int64 scalar.
        seed: int32 [2].
        windows: windows per epoch.

    Returns:
        int64 scalar below `windows`, float32 scalar in (0, 1).
    """
    epoch_seed = rng.fold_in(seed, position // windows)
    seeds = rng.split(epoch_seed, 2)
    window = rng.shuffle_index(position % windows, seeds[0], windows)
    return window, rng.uniform([], rng.fold_in(seeds[1], window))
