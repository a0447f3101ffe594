"""The versions of models: found, loaded, run, batched."""
