"""Custom components: each wires a library under `modules` into TFX."""
