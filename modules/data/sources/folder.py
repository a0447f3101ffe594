"""Finding a data set's files in the folder that `data.path` names."""

import os

import tensorflow as tf

from modules.data.config import DataConfig


def require_path(data: DataConfig) -> str:
    """Returns `data.path`; raises ValueError where it is not given."""
    if not data.path:
        raise ValueError(f"`data.path` must name the files of source {data.source!r}. Received: {data.path!r}.")
    return data.path


def file_in(folder: str, name: str, config_key: str = "data.path") -> str:
    """Returns the path of `name` or `name.gz` in a folder; raises ValueError without either."""
    for candidate in (name, f"{name}.gz"):
        if tf.io.gfile.exists(os.path.join(folder, candidate)):
            return os.path.join(folder, candidate)
    raise ValueError(f"`{config_key}` must be the folder that holds {name} (or {name}.gz). Received: {folder!r}.")


def locate_in_folder(data: DataConfig, name: str) -> tuple[str, str]:
    """Returns (folder, file name) of a data set that is a folder of files with fixed names."""
    folder = require_path(data)
    return folder, os.path.basename(file_in(folder, name))


def locate_file(data: DataConfig, name: str) -> tuple[str, str]:
    """Returns (folder, file name) of a data set of one file: `data.path` itself, or `name` in the folder it names.

    Raises:
      ValueError: neither is there.
    """
    path = require_path(data)
    if tf.io.gfile.isdir(path):
        return locate_in_folder(data, name)
    if not tf.io.gfile.exists(path):
        raise ValueError(
            f"`data.path` must be a file that exists, or the folder that holds {name} (or {name}.gz). "
            f"Received: {path!r}."
        )
    return os.path.dirname(path) or os.curdir, os.path.basename(path)
