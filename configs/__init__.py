"""Experiments: each module has `get_config()`; its docstring is the lab note."""
