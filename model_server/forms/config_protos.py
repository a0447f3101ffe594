"""TF Serving's config messages that tensorflow-serving-api does not bring, declared for the text format.

The fields are those of `BatchingParameters` (servables/tensorflow/session_bundle_config.proto) and
`MonitoringConfig` (config/monitoring_config.proto). Text has names and no field numbers, so the numbers here
need not be TF Serving's.
"""

from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory, wrappers_pb2

_PACKAGE = "local_serving"
_Field = descriptor_pb2.FieldDescriptorProto
_NUMBER = wrappers_pb2.Int64Value.DESCRIPTOR.full_name
_TEXT = wrappers_pb2.StringValue.DESCRIPTOR.full_name
_SWITCH = wrappers_pb2.BoolValue.DESCRIPTOR.full_name
_MESSAGES: dict[str, dict[str, str | int]] = {
    "BatchingParameters": {
        "max_batch_size": _NUMBER,
        "batch_timeout_micros": _NUMBER,
        "max_enqueued_batches": _NUMBER,
        "num_batch_threads": _NUMBER,
        "thread_pool_name": _TEXT,
        "allowed_batch_sizes": _Field.TYPE_INT64,
        "pad_variable_length_inputs": _Field.TYPE_BOOL,
        "enable_large_batch_splitting": _SWITCH,
        "max_execution_batch_size": _NUMBER,
    },
    "PrometheusConfig": {"enable": _Field.TYPE_BOOL, "path": _Field.TYPE_STRING},
    "MonitoringConfig": {"prometheus_config": f"{_PACKAGE}.PrometheusConfig"},
}
_REPEATED = {"allowed_batch_sizes"}


def batching_parameters() -> message.Message:
    """Returns an empty `BatchingParameters`."""
    return _CLASSES["BatchingParameters"]()


def monitoring_config() -> message.Message:
    """Returns an empty `MonitoringConfig`."""
    return _CLASSES["MonitoringConfig"]()


def _declare() -> dict[str, type[message.Message]]:
    file = descriptor_pb2.FileDescriptorProto(
        name="local_serving_configs.proto",
        package=_PACKAGE,
        syntax="proto3",
        dependency=[wrappers_pb2.DESCRIPTOR.name],
    )
    for name, fields in _MESSAGES.items():
        declared = file.message_type.add(name=name)
        for number, (field, kind) in enumerate(fields.items(), start=1):
            label = _Field.LABEL_REPEATED if field in _REPEATED else _Field.LABEL_OPTIONAL
            if isinstance(kind, str):
                declared.field.add(
                    name=field, number=number, label=label, type=_Field.TYPE_MESSAGE, type_name=f".{kind}"
                )
            else:
                declared.field.add(name=field, number=number, label=label, type=kind)
    pool = descriptor_pool.Default()
    pool.Add(file)
    descriptors = {name: pool.FindMessageTypeByName(f"{_PACKAGE}.{name}") for name in _MESSAGES}
    # protobuf 3.20, which Python 3.10 has here, knows only the second.
    get = getattr(message_factory, "GetMessageClass", None) or message_factory.MessageFactory(pool).GetPrototype
    return {name: get(descriptor) for name, descriptor in descriptors.items()}


_CLASSES = _declare()
