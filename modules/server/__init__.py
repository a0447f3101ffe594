"""A local server with TF Serving's REST and gRPC APIs, for any SavedModel.

    python -m modules.server --model_base_path serving_model --rest_api_port 8501 --port 8500

serves every model `serving_model/<name>/<version>` with the paths, the answers, the status codes and the error texts
of TF Serving 2.16, from the same runtime. What differs does so on purpose: docs/serving.md lists it.

How it is layered: `servable` runs one version, `batched_servable` merges its calls; `manager` keeps versions loaded,
from `sources` and `listed_models`; `calls` counts. `rest` answers a path and a body, `app` puts it behind HTTP;
`grpc_prediction` and `grpc_models` answer messages, `grpc_server` puts them behind gRPC. `limits` bounds both.
"""
