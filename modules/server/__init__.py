"""A local server with TF Serving's REST API, for any SavedModel.

    python -m modules.server --model-base-path serving_model --port 8501

serves every model `serving_model/<name>/<version>` with the paths, the answers, the status codes
and the error texts of TF Serving 2.16, from the same runtime. What differs does so on purpose:

  * A model whose newest version is broken at start is served in the newest version that loads,
    where TF Serving ends; and the port opens although a model is not there yet, where TF Serving
    waits.
  * A version whose variables are missing is refused when it is loaded, not in every call.
  * A version that failed is not tried again even if its folder goes and comes back.
  * The folder of a model below --model-base-path may come and go while the server runs.
  * The status of a label is that of the version it names; TF Serving lists all versions. A label
    may name a version that is not there yet.
  * Requests have bounds: 413 for a body that is too long, 503 while too many calls wait, 504 for
    one that takes too long; lists nest at most 32 deep and JSON a few hundred, where TF Serving's
    parser would overflow its stack.
  * Of a name repeated within one instance the first counts, where TF Serving appends to the tensor.
  * An error that quotes a list with NaN or Infinity quotes all of it; TF Serving stops before them.
  * Prometheus metrics need no monitoring config. Calls to models that are not served are counted
    under an empty name, as any client could else fill the memory with names.

Not here: gRPC, request batching, re-reading --model_config_file, and anything but SavedModels.
"""
