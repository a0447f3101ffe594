"""Files that appear whole or not at all."""

import os


def write_atomically(path: str | os.PathLike[str], content: str | bytes) -> None:
    """Writes a file: a reader finds what was there before or all of the new content, whenever the writer is killed.

    Args:
      path: of the file, or its URI in a bucket; its folder is there.
      content: all of it; text is written as UTF-8.

    Raises:
      OSError: a local file cannot be written, as on a full disk; what was there before is still there.
      tensorflow.errors.OpError: a bucket cannot be written.
    """
    path = os.fspath(path)
    content = content.encode() if isinstance(content, str) else content
    # Two processes that write the same file do not meet.
    partial = f"{path}.{os.getpid()}.partial"
    if "://" in path:
        # Imported here: a local file is written without waiting for TensorFlow.
        import tensorflow as tf

        with tf.io.gfile.GFile(partial, "wb") as file:
            file.write(content)
        tf.io.gfile.rename(partial, path, overwrite=True)
        return
    with open(partial, "wb") as file:
        file.write(content)
        file.flush()
        # Without this a power cut may leave the new name on an empty file.
        os.fsync(file.fileno())
    os.replace(partial, path)
