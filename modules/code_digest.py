"""A digest of the sources, so that a change of code reaches TFX's cache keys."""

import hashlib
from pathlib import Path


def code_digest() -> str:
    """Returns a digest of every Python file of `modules`.

    Components that name their function by dotted path are cached by that path alone; without the digest among their
    properties an edited function would be served from the cache.
    """
    root = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
