"""Which models are to be served, from where, and which of their versions."""

import dataclasses
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeAlias

import tensorflow as tf
from tensorflow_serving.config import file_system_storage_path_source_pb2, model_server_config_pb2

from model_server.forms.text_protos import read_text_proto

_PolicyProto: TypeAlias = file_system_storage_path_source_pb2.FileSystemStoragePathSourceConfig.ServableVersionPolicy
_VERSION = re.compile(r"\d+", re.ASCII)
_MAX_VERSION = 2**63 - 1


@dataclasses.dataclass(frozen=True)
class VersionPolicy:
    """Which versions are served, of those there are.

    Args:
      latest: how many of the highest; None is all of them.
      specific: only these, where given.
    """

    latest: int | None = 1
    specific: frozenset[int] = frozenset()

    def choose(self, versions: Collection[int]) -> set[int]:
        """Returns the versions that are wanted."""
        if self.specific:
            return set(versions) & self.specific
        ordered = sorted(versions, reverse=True)
        return set(ordered if self.latest is None else ordered[: self.latest])


@dataclasses.dataclass(frozen=True)
class ModelSource:
    """A model to serve.

    Args:
      name: the name clients use.
      base_path: the folder of its version folders.
      policy: which versions are served.
      labels: label -> version.
    """

    name: str
    base_path: str
    policy: VersionPolicy = VersionPolicy()
    labels: Mapping[str, int] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.name or re.search(r"[/:]", self.name):
            raise ValueError(f"`name` must be non-empty and have no '/' or ':'. Received: name={self.name!r}.")
        if not self.base_path:
            raise ValueError(f"`base_path` must be a folder. Received: base_path='' for {self.name}.")

    def versions(self) -> dict[int, str] | None:
        """Returns version number -> folder on disk, or None where the base path is not there."""
        children = _folders(self.base_path)
        if children is None:
            return None
        numbers = {child: int(child) for child in children if _VERSION.fullmatch(child)}
        return {number: f"{self.base_path}/{child}" for child, number in numbers.items() if number <= _MAX_VERSION}


def saved_models_in(path: str) -> list[str]:
    """Returns the version folders right in `path` that hold a SavedModel."""
    versions = ModelSource("any", path).versions() or {}
    return [folder for folder in versions.values() if tf.io.gfile.exists(f"{folder}/saved_model.pb")]


# Models may come and go while the server runs: asked again at every poll. None: cannot tell now.
Sources = Callable[[], Mapping[str, ModelSource] | None]


def fixed(sources: Sequence[ModelSource]) -> Sources:
    """Returns sources that are always the same.

    Raises:
      ValueError: where two have one name.
    """
    by_name = _by_name(sources)
    return lambda: by_name


def below(root: str) -> Sources:
    """Returns the models below `root`: its subfolders, but for hidden and version-less ones."""

    def discover() -> dict[str, ModelSource] | None:
        names = _folders(root)
        if names is None:
            return None
        models = {}
        for name in names:
            if not name.startswith(".") and ":" not in name:
                source = ModelSource(name, f"{root.rstrip('/')}/{name}")
                if source.versions():
                    models[name] = source
        return models

    return discover


def merged(parts: Sequence[Sources]) -> Sources:
    """Returns the models of all parts; the earlier part decides where a name is in several."""

    def merge() -> dict[str, ModelSource] | None:
        found = [part() for part in parts]
        if any(models is None for models in found):
            return None
        return {name: source for models in reversed(found) for name, source in models.items()}

    return merge


def read_config_file(path: str) -> list[ModelSource]:
    """Returns the models a text proto `ModelServerConfig` lists.

    Raises:
      ValueError: where the file is missing or is not such a config.
    """
    config = model_server_config_pb2.ModelServerConfig()
    read_text_proto("model_config_file", path, config, "ModelServerConfig")
    if config.WhichOneof("config") != "model_config_list":
        raise ValueError(f"`model_config_file` must hold a model_config_list. Received: {path!r}.")
    return from_proto(config.model_config_list)


def from_proto(models: model_server_config_pb2.ModelConfigList) -> list[ModelSource]:
    """Returns the models a config lists.

    Raises:
      ValueError: where two have one name, or one of them is not a model that can be served.
    """
    found = [_from_proto(model) for model in models.config]
    _by_name(found)
    return found


def _by_name(sources: Sequence[ModelSource]) -> dict[str, ModelSource]:
    by_name = {source.name: source for source in sources}
    if len(by_name) != len(sources):
        names = [source.name for source in sources]
        raise ValueError(f"Model names must differ. Received: names={names}.")
    return by_name


def _from_proto(model: model_server_config_pb2.ModelConfig) -> ModelSource:
    if model.model_platform not in ("", "tensorflow"):
        raise ValueError(f"`model_platform` must be tensorflow. Received: model_platform={model.model_platform!r}.")
    return ModelSource(
        model.name,
        model.base_path.rstrip("/"),
        _policy(model.model_version_policy),
        dict(model.version_labels),
    )


def _policy(policy: _PolicyProto) -> VersionPolicy:
    choice = policy.WhichOneof("policy_choice")
    if choice == "all":
        return VersionPolicy(latest=None)
    if choice == "specific":
        return VersionPolicy(specific=frozenset(policy.specific.versions))
    return VersionPolicy(latest=max(policy.latest.num_versions, 1))


def _folders(path: str) -> list[str] | None:
    """Returns the names of the subfolders in order, or None where `path` is not a folder."""
    try:
        # Object stores end the names of folders in a slash.
        names = sorted(name.rstrip("/") for name in tf.io.gfile.listdir(path))
    except tf.errors.OpError:
        return None
    return [name for name in names if tf.io.gfile.isdir(f"{path}/{name}")]
