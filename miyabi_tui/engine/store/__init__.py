"""What is kept: the journal of events in SQLite, and the tables that are folded from it."""
