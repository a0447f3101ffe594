"""The TFX pipeline: its configuration, its definition, its custom components and its runners."""

from modules import environment

environment.apply()
