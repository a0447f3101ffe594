"""`make demo`: serves what a pipeline pushed, and a page about the users of its latest run."""

import argparse
import os
import sys
from collections.abc import Sequence

import tfx_pipeline  # noqa: F401  (sets the environment before TensorFlow is imported)


def main(argv: Sequence[str] | None = None) -> int:
    """Becomes the server; returns 2 where there is nothing to show."""
    from tfx_pipeline.config import DEFAULT_CONFIG, load_config

    parser = argparse.ArgumentParser(prog="python -m tfx_pipeline.demo", description=__doc__)
    parser.add_argument("--config", default=DEFAULT_CONFIG, help="YAML file of the pipeline")
    parser.add_argument("--rest_api_port", default="8501")
    parser.add_argument("--port", default="8500", help="gRPC's")
    arguments = parser.parse_args(argv)
    try:
        config = load_config(arguments.config)
        examples = latest_examples(config.metadata_path, config.name)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"The page: http://localhost:{arguments.rest_api_port}/demo", flush=True)
    flags = [
        f"--model_base_path={config.serving_model_dir}",
        f"--rest_api_port={arguments.rest_api_port}",
        f"--port={arguments.port}",
        f"--demo_examples={examples}",
    ]
    # A fresh interpreter: reading the metadata has imported TFX, which the server has no use for.
    os.execv(sys.executable, [sys.executable, "-m", "model_server", *flags])


def latest_examples(metadata_path: str, pipeline_name: str) -> str:
    """Returns the folder of examples that the latest run of a pipeline read its data into.

    Raises:
      ValueError: where there is no run, or its ExampleGen did not finish.
    """
    from tfx_pipeline.report.lineage import latest_run

    examples = latest_run(metadata_path, pipeline_name).raw_examples()
    if examples is None:
        raise ValueError(f"`pipeline_name` must be one whose ExampleGen has finished. Received: {pipeline_name!r}.")
    return examples.uri


if __name__ == "__main__":
    sys.exit(main())
