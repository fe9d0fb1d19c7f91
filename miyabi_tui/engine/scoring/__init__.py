"""How a world is measured, scored against the base and chosen."""
