"""miyabi: race five AI coding agents on one issue, watch them live, merge the best."""

__version__ = "0.1.0"
