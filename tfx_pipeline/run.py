"""`make run`: runs the pipeline in this process, and reports what came out."""

import argparse
import os

from tfx_pipeline import local_runner


def main() -> None:
    """Ends with status 2 where the run could not start, with 1 where a component failed."""
    parser = argparse.ArgumentParser(prog="python -m tfx_pipeline.run", description=__doc__)
    parser.add_argument("--config", required=True, help="YAML file of the pipeline")
    parser.add_argument("--data", help="interactions table; takes the place of `data.path`")
    arguments = parser.parse_args()
    os.environ["PIPELINE_CONFIG"] = arguments.config
    os.environ["PIPELINE_DATA"] = arguments.data or ""
    config = local_runner.run()

    from tfx_pipeline.report import collect, summary, write

    facts = collect(config.metadata_path, config.name)
    write(facts, config.report_path, config.evaluation.min_slice_users)
    print(summary(facts, config.report_path))


if __name__ == "__main__":
    main()
