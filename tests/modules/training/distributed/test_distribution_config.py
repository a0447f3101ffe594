"""The section `training.distribution`."""

import pydantic
import pytest

from modules.section import describe_errors
from modules.training.config import TrainingConfig
from modules.training.distributed.config import DistributionConfig


def test_what_is_distributed_is_written_and_read() -> None:
    training = TrainingConfig(distribution=DistributionConfig(strategy="multi_worker", local_workers=2))
    assert training.model_dump()["distribution"]["local_workers"] == 2
    assert TrainingConfig.model_validate_json(training.model_dump_json()) == training


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"strategy": "horovod"}, "`strategy`: Input should be 'none', 'mirrored', 'multi_worker' or 'parameter_se"),
        ({"local_workers": 2}, "`local_workers` must be left out unless `strategy` is 'multi_worker' or 'parameter_s"),
        (
            {"strategy": "parameter_server", "local_workers": 2},
            "`local_servers` must be set where `strategy` is 'parameter_server' with `local_workers`",
        ),
        (
            {"strategy": "parameter_server", "local_servers": 2},
            "Received: 2 with strategy 'parameter_server' and local",
        ),
        ({"strategy": "multi_worker", "local_workers": 2, "local_servers": 1}, "Received: 1 with strategy 'multi_wor"),
        ({"min_shard_bytes": 0}, "`min_shard_bytes`: Input should be greater than or equal to 1."),
        ({"strategy": "mirrored", "local_workers": 1}, "Received: 1 with strategy 'mirrored'."),
        ({"strategy": "multi_worker", "local_workers": 0}, "`local_workers`: Input should be greater than or equal"),
        ({"restarts": -1}, "`restarts`: Input should be greater than or equal to 0. Received: -1."),
        ({"peer_timeout_seconds": 0}, "`peer_timeout_seconds`: Input should be greater than or equal to 1."),
        ({"workers": 2}, "`workers`: is not a known key. Received: 2."),
    ],
)
def test_a_mistake_is_named_with_its_value_and_what_was_expected(values: dict, expected: str) -> None:
    with pytest.raises(pydantic.ValidationError) as refused:
        DistributionConfig(**values)
    assert expected in describe_errors(refused.value)
