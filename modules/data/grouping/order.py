"""The order of events of equal time."""

import hashlib


def tie_break(user: str, item: str, seed: int) -> int:
    """Returns a number from 0 to 2^64 - 1 that orders a user's items of equal time.

    By a hash, and never by id or place in the file: items of one invoice or day share a time, and tables are often
    sorted by id, so that a sequential model would learn the alphabet and score well on it.

    Args:
      user: id.
      item: id.
      seed: another one gives another order.
    """
    text = f"{seed}\0{user}\0{item}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")
