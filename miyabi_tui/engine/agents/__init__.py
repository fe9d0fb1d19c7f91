"""The agents: one that writes the change, one that measures it."""
