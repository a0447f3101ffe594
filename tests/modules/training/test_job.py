"""What the Trainer writes down is what workers read."""

import os
from pathlib import Path

import numpy as np
import pytest

from modules.models.corpus import FeatureTable
from modules.training.config import TrainingConfig
from modules.training.data import TrainingData
from modules.training.distributed.config import DistributionConfig
from modules.training.job import Job, find_job, read_job, write_job
from modules.training.worker import wait_for_job
from tests.modules import tiny


def make_job(**training: object) -> Job:
    genres = FeatureTable(np.array([[0, 0], [1, 2], [2, 0], [3, 1]], np.int64), 4)
    corpus = tiny.make_corpus(3, 2, item_features={"genre": genres})
    data = TrainingData(["train-*"], ["valid-*", "more-*"], corpus, "sequential")
    return Job(tiny.make_config(sampler=tiny.MIDX), TrainingConfig(**training), data, start="somewhere/start")


def test_a_job_is_read_as_it_was_written(tmp_path: Path) -> None:
    job = make_job(epochs=3, distribution=DistributionConfig(strategy="multi_worker", local_workers=2))
    write_job(job, str(tmp_path / "new"))
    read = read_job(str(tmp_path / "new"))
    assert (read.model, read.training, read.start) == (job.model, job.training, job.start)
    assert (read.data.train, read.data.valid, read.data.task) == (["train-*"], ["valid-*", "more-*"], "sequential")
    ours, theirs = read.data.corpus, job.data.corpus
    np.testing.assert_array_equal(ours.item_counts, theirs.item_counts)
    assert ours.item_counts.dtype == theirs.item_counts.dtype
    assert ours.num_users == 2
    np.testing.assert_array_equal(ours.item_features["genre"].values, theirs.item_features["genre"].values)
    assert ours.item_features["genre"].size == 4
    assert ours.user_features == {}


def test_the_newest_job_of_a_folder_is_found(tmp_path: Path) -> None:
    assert find_job(str(tmp_path)) is None
    for name, time in (("later", 2_000_000_000), ("earlier", 1_000_000_000)):
        write_job(make_job(), str(tmp_path / name))
        os.utime(tmp_path / name / "job.json", (time, time))
    assert find_job(str(tmp_path)) == str(tmp_path / "later")
    assert find_job(str(tmp_path / "earlier")) == str(tmp_path / "earlier")


def test_a_job_that_never_comes_is_not_waited_for_without_end(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError, match="no job was written to .* within 0 seconds; does the Trainer run"):
        wait_for_job(str(tmp_path), 0)
