"""Models as SavedModels for TF Serving."""

from tfwavenet.export.saved_model import Form, export_saved_model

__all__ = ["Form", "export_saved_model"]
