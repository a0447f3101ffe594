"""The files around a pipeline's pushed models: model server, batching, metrics, containers."""

import os
import shlex
from pathlib import Path

import jinja2

from tfx_pipeline.config import PipelineConfig

_TEMPLATES = Path(__file__).parent / "templates"
_REPOSITORY = Path(__file__).parents[2]
_SCANN_ONLY = {"models_scann.config", "Dockerfile.scann"}


def write_deployment(config: PipelineConfig, folder: str | None = None) -> str:
    """Writes models.config, batching_parameters.txt, monitoring.config, prometheus.yml and docker-compose.yml.

    With `serving.scann` also models_scann.config, of both models, and Dockerfile.scann, of a server that links ScaNN.

    Args:
      config: the pipeline's; its name, its folders and `deployment` are read.
      folder: where to; None is `serving` below the configuration's root.

    Returns:
      The folder, absolute.
    """
    folder = os.path.abspath(folder or os.path.join(config.root, "serving"))
    os.makedirs(folder, exist_ok=True)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    for template in sorted(environment.list_templates()):
        name = template.removesuffix(".j2")
        if name in _SCANN_ONLY and not config.serving.scann:
            continue
        text = environment.get_template(template).render(
            name=config.name,
            image=config.deployment.image,
            scann=config.serving.scann,
            scann_image=config.deployment.scann_image,
            # Without a leading dot Compose takes a relative path for the name of a volume.
            models=os.path.join(".", os.path.relpath(config.serving_model_dir, folder)),
            repository=os.path.relpath(_REPOSITORY, folder),
            # Compose looks for it from the context.
            dockerfile=os.path.relpath(os.path.join(folder, "Dockerfile.scann"), _REPOSITORY),
        )
        Path(folder, name).write_text(text, encoding="utf-8")
    return folder


def docker_run(config: PipelineConfig) -> str:
    """Returns the command that serves the portable model with a plain TF Serving, for a shell."""
    model = os.path.join(config.serving_model_dir, config.name)
    return shlex.join(
        [
            *["docker", "run", "--rm", "-p", "127.0.0.1:8500:8500", "-p", "127.0.0.1:8501:8501"],
            *["-v", f"{model}:/models/{config.name}:ro", "-e", f"MODEL_NAME={config.name}", config.deployment.image],
        ]
    )
