"""Layers shared by several retrievers and rankers."""
