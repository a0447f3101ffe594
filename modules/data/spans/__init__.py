"""Data that arrive in spans, such as days: which are read together, and whether they are whole."""
