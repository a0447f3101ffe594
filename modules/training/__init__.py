"""Training: input pipelines, the fit loop, validation, and checkpoints that a killed run resumes from."""
