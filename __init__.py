"""bench: a comparative benchmark suite for world-model agents."""

__version__ = "0.1.0"
