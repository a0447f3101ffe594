"""Interactions grouped by user through files, so that memory does not grow with them."""
