"""Decoding: loops that draw tokens from a model, written as generators, and the text they become."""
