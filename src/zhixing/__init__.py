"""Zhixing (知行): from a folder of text to a language model that you have trained, measured, compared and served."""

from __future__ import annotations

__version__ = "0.1.0"
