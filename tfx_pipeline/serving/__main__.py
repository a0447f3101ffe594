"""`python -m tfx_pipeline.serving`: writes the files that serve a pipeline's models with TF Serving."""

import argparse
import sys
from collections.abc import Sequence

import tfx_pipeline  # noqa: F401  (sets the environment before TensorFlow is imported)


def main(argv: Sequence[str] | None = None) -> int:
    """Returns 0 where the files are written, 2 where the configuration is wrong."""
    from tfx_pipeline.config import DEFAULT_CONFIG, load_config
    from tfx_pipeline.serving.deployment import docker_run, write_deployment

    parser = argparse.ArgumentParser(prog="python -m tfx_pipeline.serving", description=__doc__)
    parser.add_argument("--config", default=DEFAULT_CONFIG, help="YAML file of the pipeline")
    parser.add_argument("--output", help="folder of the files; default: `serving` below the configuration's root")
    arguments = parser.parse_args(argv)
    try:
        config = load_config(arguments.config)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    folder = write_deployment(config, arguments.output)
    print(f"Written to {folder}. Either of these serves {config.name} on localhost:8501:\n")
    print(f"  docker compose -f {folder}/docker-compose.yml up")
    print(f"  {docker_run(config)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
