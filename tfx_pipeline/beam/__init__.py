"""The engine that the Beam components run on: its configuration, and whether it can be reached."""
