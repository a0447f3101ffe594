"""A pipeline over the small table, as it would be on a cluster; a temporary folder stands for its volume.

As a program it writes table and configuration into the folder that its argument names.
"""

import sys
from pathlib import Path
from typing import Any

from tests.tfx_pipeline.small_table import write_config, write_table

IMAGE = "registry.example/corr:1"


def write_cluster_config(volume: Path, path: Path, kubeflow: dict[str, Any] | None = None, **overrides: Any) -> None:
    """Writes the table to the volume and the configuration to `path`.

    Args:
      volume: made where it is missing.
      path: of the YAML file.
      kubeflow: settings of that section, over those of a volume.
      **overrides: settings of others.
    """
    volume.mkdir(parents=True, exist_ok=True)
    table = volume / "table.csv"
    if not table.exists():
        write_table(table)
    section = {
        "image": IMAGE,
        "root": str(volume / "root"),
        "volume": {"claim": "corr", "mount_path": str(volume)},
        **(kubeflow or {}),
    }
    section = {key: value for key, value in section.items() if value is not None}
    write_config(path, table, volume / "unused", kubeflow=section, **overrides)


if __name__ == "__main__":
    folder = Path(sys.argv[1]).resolve()
    write_cluster_config(folder / "volume", folder / "config.yaml", batch_recommendations={"enabled": True})
