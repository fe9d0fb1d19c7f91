"""Widgets: they show events and states, and say upward what the person does."""
