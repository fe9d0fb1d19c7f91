"""Screens: they hear what widgets say and ask the engine's Control."""
