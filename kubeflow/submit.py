"""`python -m kubeflow.submit`: hands the pipeline to Kubeflow Pipelines, and starts it or puts it on its schedule."""

import argparse
import dataclasses
import os
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import kubeflow  # noqa: F401  (sets the environment before TensorFlow is imported)
from kubeflow.cluster import pipeline_name, section
from tfx_pipeline.cron import with_seconds

if TYPE_CHECKING:
    import kfp

    from tfx_pipeline.config import PipelineConfig

HOST = "KF_PIPELINES_ENDPOINT"

_PATIENCE_SECONDS = 10


class SubmitError(RuntimeError):
    """Kubeflow Pipelines cannot be reached, or has refused."""


@dataclasses.dataclass(frozen=True)
class Submission:
    """What has come of it.

    Args:
      pipeline_id: of the pipeline, new or not.
      version_id: of the version that was uploaded.
      run_id: of the run; None where it was put on a schedule.
      recurring_run_id: of the schedule; None where it was started once.
    """

    pipeline_id: str
    version_id: str
    run_id: str | None = None
    recurring_run_id: str | None = None


def check_host(host: str) -> None:
    """Raises SubmitError where no Kubeflow Pipelines answers at an address."""
    url = f"{host.rstrip('/')}/apis/v2beta1/healthz"
    try:
        with urllib.request.urlopen(url, timeout=_PATIENCE_SECONDS) as answer:
            answer.read()
    except urllib.error.HTTPError as error:
        # Whoever asks for a password is there.
        if error.code not in (401, 403):
            raise SubmitError(f"{url} answers {error.code}: it is no Kubeflow Pipelines 2. Check --host.") from error
    except (OSError, ValueError) as error:
        raise SubmitError(
            f"Kubeflow Pipelines cannot be reached at {host}: {error}. Check --host; from outside of the cluster, "
            "`kubectl port-forward -n kubeflow svc/ml-pipeline 8888:8888` makes it http://localhost:8888. "
            "Nothing was submitted."
        ) from error


def submit(
    client: "kfp.Client",
    config: "PipelineConfig",
    package: str,
    version: str,
    *,
    experiment: str | None = None,
    namespace: str | None = None,
    service_account: str | None = None,
    once: bool = False,
) -> Submission:
    """Uploads a package and starts it, or puts it on the schedule of its configuration in place of the version before.

    Args:
      client: connected to Kubeflow Pipelines.
      config: of the pipeline.
      package: the YAML file.
      version: name of the pipeline's version.
      experiment: that groups the runs; None is the pipeline's name.
      namespace: the user's, in an installation for several users.
      service_account: that the pods run as; None is the installation's.
      once: start it now, whatever the schedule is.
    """
    name = pipeline_name(config.name)
    pipeline_id, version_id = _upload(client, name, package, version, namespace)
    group = client.create_experiment(experiment or name, namespace=namespace)
    target = {
        "experiment_id": group.experiment_id,
        "job_name": f"{name}-{version}",
        "pipeline_id": pipeline_id,
        "version_id": version_id,
        "service_account": service_account,
    }
    schedule = section(config).schedule
    if schedule is None or once:
        return Submission(pipeline_id, version_id, run_id=client.run_pipeline(**target).run_id)
    earlier = _recurring_runs(client, group.experiment_id, pipeline_id)
    # Not more than one at a time: the next would train on what this one has not judged yet.
    recurring = client.create_recurring_run(
        **target, cron_expression=with_seconds(schedule), max_concurrency=1, no_catchup=True
    )
    for recurring_run_id in earlier:
        client.delete_recurring_run(recurring_run_id)
    return Submission(pipeline_id, version_id, recurring_run_id=recurring.recurring_run_id)


def _upload(client: "kfp.Client", name: str, package: str, version: str, namespace: str | None) -> tuple[str, str]:
    pipeline_id = client.get_pipeline_id(name)
    if pipeline_id is None:
        # Uploading a pipeline makes a version of its name besides, which nobody would find again among the others.
        pipeline_id = client.upload_pipeline(package, name, namespace=namespace).pipeline_id
    return pipeline_id, client.upload_pipeline_version(package, version, pipeline_id=pipeline_id).pipeline_version_id


def _recurring_runs(client: "kfp.Client", experiment_id: str, pipeline_id: str) -> list[str]:
    found: list[Any] = []
    token = ""
    while True:
        page = client.list_recurring_runs(page_token=token, page_size=100, experiment_id=experiment_id)
        found += page.recurring_runs or []
        token = page.next_page_token
        if not token:
            break
    return [
        run.recurring_run_id
        for run in found
        if run.pipeline_version_reference and run.pipeline_version_reference.pipeline_id == pipeline_id
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Returns 0 where it was submitted, 1 where that failed, 2 where the configuration is wrong."""
    parser = argparse.ArgumentParser(prog="python -m kubeflow.submit", description=__doc__)
    parser.add_argument("--config", required=True, help="YAML file of the pipeline, with a section `kubeflow`")
    parser.add_argument("--data", help="interactions table; takes the place of `data.path`")
    parser.add_argument("--host", default=os.environ.get(HOST), help=f"address of Kubeflow Pipelines; default: ${HOST}")
    parser.add_argument("--version", default=time.strftime("%Y%m%d-%H%M%S"), help="name of the version; default: now")
    parser.add_argument("--experiment", help="that groups the runs; default: the pipeline's name")
    parser.add_argument("--namespace", help="of the user, in an installation for several users")
    parser.add_argument("--service-account", help="that the pods run as")
    parser.add_argument("--once", action="store_true", help="start it now, whatever `kubeflow.schedule` says")
    arguments = parser.parse_args(argv)
    if not arguments.host:
        print(f"--host must be the address of Kubeflow Pipelines, or {HOST} in the environment.", file=sys.stderr)
        return 2
    try:
        check_host(arguments.host)
        return _submit(arguments)
    except SubmitError as error:
        print(error, file=sys.stderr)
        return 1
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2


def _submit(arguments: argparse.Namespace) -> int:
    import kfp
    import kfp_server_api

    from kubeflow.dag_runner import compile_pipeline
    from tfx_pipeline.config import load_config

    config = load_config(arguments.config, arguments.data)
    with tempfile.TemporaryDirectory() as folder:
        package = os.path.join(folder, "pipeline.yaml")
        compile_pipeline(config, package)
        try:
            submission = submit(
                kfp.Client(host=arguments.host, namespace=arguments.namespace or "kubeflow"),
                config,
                package,
                arguments.version,
                experiment=arguments.experiment,
                namespace=arguments.namespace,
                service_account=arguments.service_account,
                once=arguments.once,
            )
        except kfp_server_api.ApiException as error:
            raise SubmitError(f"Kubeflow Pipelines has refused: {error.status} {error.reason}: {error.body}") from error
    what = f"run {submission.run_id}" if submission.run_id else f"recurring run {submission.recurring_run_id}"
    print(f"Version {arguments.version} of pipeline {pipeline_name(config.name)}: {what}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
