"""`make rollback`: serves an earlier version again; see `tfx_pipeline.versions.rollback`."""

import sys

import tfx_pipeline  # noqa: F401  (sets the environment before TensorFlow is imported)
from tfx_pipeline.versions.rollback import main

if __name__ == "__main__":
    sys.exit(main())
