"""How much heavy work the machine bears at once: its size, its load, and places for commands."""
