"""One run from start to end: checks before it, its lock, its logs, and how it goes on after a kill."""
