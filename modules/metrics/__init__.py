"""Ranking metrics: of tensors in the training loop, of one user's list, and as TFMA metrics."""
