"""Where a world's commands run: a protocol, and processes of this machine as its first form."""
