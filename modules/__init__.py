"""What the pipeline's components run: data, models, samplers, losses, training, evaluation, export, serving.

Nothing in here knows TFX's orchestration (see ``tfx_pipeline``), so all of it can be imported and used alone.
"""

from modules import environment

environment.apply()
