"""The pushed versions of a model: their numbers, folders and history, and the way back."""
