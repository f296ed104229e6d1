"""Corpora, their preparation into TFRecord shards, and `tf.data` pipelines of batches."""
