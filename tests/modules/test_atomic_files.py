import os
import uuid

import pytest
import tensorflow as tf

from modules.atomic_files import write_atomically


@pytest.mark.parametrize(("content", "expected"), [("né\n", "né\n".encode()), (b"\xff\x00", b"\xff\x00"), ("", b"")])
def test_new_and_replaced_files_hold_the_content_and_nothing_is_left_beside(tmp_path, content, expected):
    path = tmp_path / "file.json"
    for _ in range(2):
        write_atomically(path, content)
        assert path.read_bytes() == expected
        path.write_bytes(b"something longer that was there before")
    assert os.listdir(tmp_path) == ["file.json"]


def test_a_bucket(tmp_path):
    # TensorFlow's file system in memory stands for a bucket: paths are URIs there, too.
    path = f"ram://{uuid.uuid4().hex}/record.json"
    tf.io.gfile.makedirs(os.path.dirname(path))
    for content in ("first", "2"):
        write_atomically(path, content)
        with tf.io.gfile.GFile(path) as file:
            assert file.read() == content
    assert tf.io.gfile.listdir(os.path.dirname(path)) == ["record.json"]


def test_what_cannot_be_written_leaves_what_was_there(tmp_path):
    path = tmp_path / "folder"
    path.mkdir()
    with pytest.raises(OSError, match="folder"):
        write_atomically(path, "text")
    assert path.is_dir()
