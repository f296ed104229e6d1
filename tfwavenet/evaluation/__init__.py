"""Evaluates models: loss of held-out utterances, copy synthesis, metrics, report and page."""

from tfwavenet.evaluation.run_evaluation import evaluate

__all__ = ["evaluate"]
