"""Installs the pipeline's packages; what they need is pinned in requirements.lock."""

import setuptools

setuptools.setup(
    name="tfx-corr",
    version="0.1.0",
    description="A TFX pipeline that trains TensorFlow Recommenders retrieval and ranking models jointly (CoRR)",
    python_requires=">=3.10,<3.11",
    packages=setuptools.find_packages(include=["kubeflow*", "model_server*", "modules*", "tfx_pipeline*"]),
    package_data={
        "model_server": ["demo/static/*"],
        "modules": ["data/builders/checksums.tsv"],
        "tfx_pipeline": ["configs/*.yaml", "report/templates/*", "serving/templates/*"],
    },
)
