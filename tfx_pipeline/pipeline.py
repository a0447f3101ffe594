"""The pipeline, from raw rows to pushed models, in the order the data flows."""

import os
from typing import Any

from tfx import v1 as tfx
from tfx.dsl.components.base.base_node import BaseNode

from modules import names, preprocessing
from modules.data import locating
from modules.data.examples.slices import slice_features
from modules.data.spans import windows
from modules.export.config import ExportOptions, ExportSizes
from modules.training.settings import TrainerSettings
from modules.tuning.settings import TunerSettings
from tfx_pipeline.component_code import ComponentCode
from tfx_pipeline.components.batch_recommender import BatchRecommender
from tfx_pipeline.components.example_gen import interaction_example_gen
from tfx_pipeline.components.index_gate import IndexGate
from tfx_pipeline.components.infra_validation import infra_validator
from tfx_pipeline.components.scann_indexer import ScannIndexer
from tfx_pipeline.components.schema_gate import SchemaGate
from tfx_pipeline.components.serving_check import ServingCheck
from tfx_pipeline.config import PipelineConfig
from tfx_pipeline.evaluation import eval_config
from tfx_pipeline.schemas import write_schema_for
from tfx_pipeline.spans.drift import drift_checks
from tfx_pipeline.statistics import statistics_options
from tfx_pipeline.versions.pusher import atomic_pusher


def create_pipeline(config: PipelineConfig, run_token: str = "") -> tfx.dsl.Pipeline:
    """Returns the pipeline that `config` describes. Runs nothing; writes only what its first components read.

    Args:
      config: everything a run needs to know.
      run_token: part of the Pushers' cache keys; with a new one each run, a run of which all else is cached still
        pushes a new version.
    """
    code = ComponentCode(config)
    components, examples, transform = _data_half(config, code)

    # The point a search finds goes before what is configured.
    tuned = {}
    if config.tuner.enabled:
        tune = _tuner(config, transform, code)
        tuned["hyperparameters"] = tune.outputs["best_hyperparameters"]
        components.append(tune)

    # A warm start begins from the model the next one is judged against.
    last = _latest_blessed(config.name, "Trainer", "model")
    base = {"base_model": last.outputs["model"]} if config.training.warm_start else {}

    # Retriever and ranker, jointly; the export is portable.
    train = tfx.components.Trainer(
        run_fn="modules.trainer.run_fn",
        **_training_inputs(transform),
        custom_config=_trainer_settings(config, code).to_custom_config(),
        **tuned,
        **base,
    )
    exports = [(config.name, train.outputs["model"], last)]
    components += [last, train]

    # The same model once more, around a ScaNN index.
    if config.serving.scann:
        options = ExportOptions(candidates=config.model.candidates, **_export_sizes(config).model_dump())
        indexer = ScannIndexer(model=train.outputs["model"], options=options.model_dump_json(), code=code.scann_indexer)
        last = _latest_blessed(config.scann_name, indexer.id, "scann_model")
        exports.append((config.scann_name, indexer.outputs["scann_model"], last))
        components += [indexer, last]

    # Each export is judged against the last blessed one, tried as a server would, and only then pushed.
    for name, model, last in exports:
        components += _judge_and_push(config, name, model, last, examples, code, run_token)
    return _pipeline(config, components)


def create_data_pipeline(config: PipelineConfig) -> tfx.dsl.Pipeline:
    """Returns the first half alone, from raw rows to transformed examples."""
    components, _, _ = _data_half(config, ComponentCode(config))
    return _pipeline(config, components)


def _data_half(
    config: PipelineConfig, code: ComponentCode
) -> tuple[list[BaseNode], tfx.dsl.Channel, tfx.components.Transform]:
    interactions, pattern = locating.locate(config.data, config.data_dir)

    # Rows -> one record a user and split; the catalog of items beside them.
    example_gen = interaction_example_gen(config.data, interactions, pattern, code.example_gen)
    examples = example_gen.outputs["examples"]

    # Nothing is trained on data that does not fit the curated schema.
    statistics_gen = tfx.components.StatisticsGen(
        examples=examples, stats_options=statistics_options(), exclude_splits=[names.CATALOG]
    )
    schema_path = write_schema_for(config)
    schema = tfx.components.ImportSchemaGen(schema_file=schema_path)
    validator = tfx.components.ExampleValidator(
        statistics=statistics_gen.outputs["statistics"], schema=schema.outputs["schema"]
    )
    gate = SchemaGate(anomalies=validator.outputs["anomalies"], schema_path=config.schema_path)

    # One item vocabulary over histories, targets and the catalog.
    transform = tfx.components.Transform(
        examples=examples,
        schema=schema.outputs["schema"],
        preprocessing_fn="modules.preprocessing.preprocessing_fn",
        splits_config=tfx.proto.SplitsConfig(
            analyze=[names.TRAIN, names.CATALOG],
            transform=[names.TRAIN, names.VALID, names.TEST, names.CATALOG],
        ),
        disable_statistics=True,
        custom_config=preprocessing.custom_config(config.data, code.transform),
    )
    transform.add_upstream_node(gate)
    components = [example_gen, statistics_gen, schema, validator, gate]

    # Nor on a span that is unlike the ones before it.
    if windows.in_spans(config.data):
        checks = drift_checks(config, statistics_gen.outputs["statistics"], schema_path, gate)
        transform.add_upstream_node(checks.gate)
        components += checks.components

    components.append(transform)
    return components, examples, transform


def _training_inputs(transform: tfx.components.Transform) -> dict[str, Any]:
    return {
        "examples": transform.outputs["transformed_examples"],
        "transform_graph": transform.outputs["transform_graph"],
        "train_args": tfx.proto.TrainArgs(splits=[names.TRAIN, names.CATALOG]),
        "eval_args": tfx.proto.EvalArgs(splits=[names.VALID]),
    }


def _export_sizes(config: PipelineConfig) -> ExportSizes:
    return ExportSizes(
        top_k=config.serving.top_k,
        evaluated_k=max(config.evaluation.cutoffs),
        full_ranking_share=config.evaluation.full_ranking_share,
    )


def _trainer_settings(config: PipelineConfig, code: ComponentCode) -> TrainerSettings:
    return TrainerSettings(
        data=config.data,
        model=config.model,
        training=config.training,
        export=_export_sizes(config),
        index=config.serving.index_options(),
        named_items=config.serving.named_items(),
        checkpoints=config.checkpoint_dir,
        code=code.trainer,
    )


def _tuner(config: PipelineConfig, transform: tfx.components.Transform, code: ComponentCode) -> tfx.components.Tuner:
    return tfx.components.Tuner(
        tuner_fn="modules.tuner.tuner_fn",
        **_training_inputs(transform),
        custom_config=TunerSettings(
            tuner=config.tuner,
            data=config.data,
            model=config.model,
            # Other epochs of the training need no other search.
            training=config.training.model_copy(update={"epochs": config.tuner.epochs}),
            checkpoints=config.checkpoint_dir,
            code=code.tuner,
        ).to_custom_config(),
    )


def _latest_blessed(name: str, producer: str, output_key: str) -> tfx.dsl.Resolver:
    return tfx.dsl.Resolver(
        strategy_class=tfx.dsl.experimental.LatestBlessedModelStrategy,
        model=tfx.dsl.Channel(
            type=tfx.types.standard_artifacts.Model, producer_component_id=producer, output_key=output_key
        ),
        model_blessing=tfx.dsl.Channel(
            type=tfx.types.standard_artifacts.ModelBlessing,
            producer_component_id=f"Evaluator.{name}",
            output_key="blessing",
        ),
    ).with_id(f"LatestBlessed.{name}")


def _judge_and_push(
    config: PipelineConfig,
    name: str,
    model: tfx.dsl.Channel,
    blessed: tfx.dsl.Resolver,
    examples: tfx.dsl.Channel,
    code: ComponentCode,
    run_token: str,
) -> list[BaseNode]:
    evaluator = tfx.components.Evaluator(
        examples=examples,
        model=model,
        baseline_model=blessed.outputs["model"],
        eval_config=eval_config(config.evaluation, slice_features(config.data), config.model.candidates),
        example_splits=[names.TEST],
        module_path="modules.evaluator",
    ).with_id(f"Evaluator.{name}")
    checks = _serving_checks(config, name, model, examples, code)
    infra_blessing = checks[-1].outputs["blessing"]
    pusher = atomic_pusher(
        model=model,
        model_blessing=evaluator.outputs["blessing"],
        infra_blessing=infra_blessing,
        base_directory=os.path.join(config.serving_model_dir, name),
        run_token=run_token,
    ).with_id(f"Pusher.{name}")
    components = [evaluator, *checks, pusher]
    if config.batch_recommendations.enabled and name == config.name:
        components.append(
            BatchRecommender(
                model=model,
                model_blessing=evaluator.outputs["blessing"],
                infra_blessing=infra_blessing,
                examples=examples,
                top_k=config.batch_recommendations.top_k or config.serving.top_k,
                shards=config.batch_recommendations.shards,
                code=code.batch_recommender,
            )
        )
    return components


def _serving_checks(
    config: PipelineConfig, name: str, model: tfx.dsl.Channel, examples: tfx.dsl.Channel, code: ComponentCode
) -> list[BaseNode]:
    """Each passes on the refusal of the one before it, so that the last one's verdict is that of all."""
    scann = name != config.name
    deployment = config.deployment
    image = deployment.scann_image if scann else deployment.image
    checks: list[Any] = []

    def verdict_so_far() -> dict[str, tfx.dsl.Channel]:
        return {"validated": checks[-1].outputs["blessing"]} if checks else {}

    validator = infra_validator(model, examples, name, deployment.infra_validator, image)
    if validator is not None:
        checks.append(validator.with_id(f"InfraValidator.{name}"))
    # Where the first stage hands on everything there is no search to judge.
    if config.model.candidates != "all":
        gate = IndexGate(
            model=model,
            examples=examples,
            min_recall=config.serving.min_index_recall,
            code=code.index_gate,
            **verdict_so_far(),
        )
        checks.append(gate.with_id(f"IndexGate.{name}"))
    check = ServingCheck(
        model=model,
        examples=examples,
        allow_scann=scann,
        warmup_users=deployment.warmup_users,
        **verdict_so_far(),
    )
    checks.append(check.with_id(f"ServingCheck.{name}"))
    return checks


def _pipeline(config: PipelineConfig, components: list[BaseNode]) -> tfx.dsl.Pipeline:
    return tfx.dsl.Pipeline(
        pipeline_name=config.name,
        pipeline_root=config.pipeline_root,
        components=components,
        enable_cache=config.enable_cache,
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(config.metadata_path),
        beam_pipeline_args=config.beam.pipeline_args(),
    )
