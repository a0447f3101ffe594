"""A local server with TF Serving's REST and gRPC APIs, for any SavedModel.

    python -m model_server --model_base_path serving_model --rest_api_port 8501 --port 8500

serves every model `serving_model/<name>/<version>` with the paths, the answers, the status codes and the error texts
of TF Serving 2.16, from the same runtime. What differs does so on purpose: docs/serving.md lists it.

How it is layered: `forms` reads and writes JSON and protos; `models` runs versions (`servable`), merges their calls
(`batched_servable`) and keeps them loaded (`manager`), from `sources` and `listed_models`; `calls` counts. `rest` and
`grpc` answer over HTTP and gRPC within `limits`; `demo` is a page beside them. No code of the pipeline is imported.
"""

import os

# The CUDA "unable to register factory" lines are of level ERROR, so 2 would not hide them.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
