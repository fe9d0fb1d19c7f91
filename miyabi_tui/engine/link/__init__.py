"""An engine seen from other processes: the same events and commands, over a Unix socket."""
