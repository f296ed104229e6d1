"""Evaluation: loss of held-out recordings, copy synthesis, metrics, report and page."""

from tfwavenet.evaluation.run_evaluation import evaluate

__all__ = ["evaluate"]
