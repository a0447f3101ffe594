"""The users and items the page shows, in a temporary SQLite database."""

import json
import random
import re
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

_SCHEMA = """
CREATE TABLE item (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, title TEXT NOT NULL, count INTEGER NOT NULL);
CREATE TABLE user (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, history TEXT NOT NULL, target TEXT NOT NULL);
CREATE VIRTUAL TABLE words USING fts5(title, content='', prefix='1 2 3');
"""
# SQLite compares texts by their UTF-8 bytes, where no character comes after this one.
_LAST_CHARACTER = "\U0010ffff"
_WORD = re.compile(r"\w+")


class Item(NamedTuple):
    """An item of the catalog; an unknown one, or one without a title, has its id as title."""

    id: str
    title: str


class User(NamedTuple):
    """A user of the test split.

    Args:
      id: the user's id.
      history: what the user did before the test, latest first.
      targets: what the user did in the test.
    """

    id: str
    history: list[Item]
    targets: list[Item]


class UserCount(NamedTuple):
    """A user and the length of the history."""

    id: str
    items: int


class Store:
    """Finds users and items by what is typed; safe to use from many threads.

    The database is a file that SQLite makes in the temporary folder and that goes with the process, however it ends.
    So memory does not grow with the data.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._database = sqlite3.connect("", check_same_thread=False)
        self._database.executescript(_SCHEMA)

    def add_items(self, items: Iterable[tuple[str, str, int]]) -> None:
        """Adds items: id, title ("" where there is none), and how often it was interacted with."""
        with self._lock, self._database:
            self._database.executemany("INSERT OR IGNORE INTO item (id, title, count) VALUES (?, ?, ?)", items)
            self._database.execute("INSERT INTO words (rowid, title) SELECT number, title FROM item WHERE title <> ''")

    def add_users(self, users: Iterable[tuple[str, Sequence[str], Sequence[str]]]) -> None:
        """Adds users: id, history with the oldest item first, and targets."""
        rows = ((user, json.dumps(history), json.dumps(target)) for user, history, target in users)
        with self._lock, self._database:
            self._database.executemany("INSERT OR IGNORE INTO user (id, history, target) VALUES (?, ?, ?)", rows)

    def counts(self) -> tuple[int, int]:
        """Returns the number of users and of items."""
        return self._rows("SELECT (SELECT count(*) FROM user), (SELECT count(*) FROM item)")[0]

    def users(self, prefix: str, limit: int) -> list[UserCount]:
        """Returns users whose id begins with `prefix`, in order of id."""
        rows = self._rows(
            "SELECT id, json_array_length(history) FROM user WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
            prefix,
            prefix + _LAST_CHARACTER,
            limit,
        )
        return [UserCount(*row) for row in rows]

    def user(self, user_id: str) -> User | None:
        """Returns a user, or None where there is no such one."""
        if not self._rows("SELECT 1 FROM user WHERE id = ?", user_id):
            return None
        history, targets = (self._listed(column, user_id) for column in ("history", "target"))
        return User(user_id, history[::-1], targets)

    def random_user(self) -> str | None:
        """Returns some user's id, or None where there are no users."""
        ((last,),) = self._rows("SELECT max(number) FROM user")
        if last is None:
            return None
        ((user_id,),) = self._rows("SELECT id FROM user WHERE number >= ? LIMIT 1", random.randint(1, last))
        return user_id

    def items(self, query: str, limit: int) -> list[Item]:
        """Returns items whose title has words that begin as the query's do, or whose id begins so.

        An item of exactly that id comes first, then the most popular ones.
        """
        words = " ".join(f'"{word}"*' for word in _WORD.findall(query))
        rows = self._rows(
            """
            SELECT id, title FROM item WHERE number IN (SELECT rowid FROM words WHERE words MATCH ?1 AND ?1 <> '')
                OR id >= ?2 AND id < ?3 AND ?2 <> ''
            ORDER BY id = ?2 DESC, count DESC, id LIMIT ?4
            """,
            words,
            query.strip(),
            query.strip() + _LAST_CHARACTER,
            limit,
        )
        return [_item(*row) for row in rows]

    def titled(self, ids: Sequence[str]) -> list[Item]:
        """Returns the items of `ids`, in that order."""
        rows = self._rows(
            "SELECT wanted.value, title FROM json_each(?) AS wanted LEFT JOIN item ON item.id = wanted.value "
            "ORDER BY wanted.key",
            json.dumps(ids),
        )
        return [_item(*row) for row in rows]

    def _listed(self, column: str, user_id: str) -> list[Item]:
        ((ids,),) = self._rows(f"SELECT {column} FROM user WHERE id = ?", user_id)
        return self.titled(json.loads(ids))

    def _rows(self, statement: str, *values: Any) -> list[tuple]:
        with self._lock:
            return self._database.execute(statement, values).fetchall()


def _item(item_id: str, title: str | None) -> Item:
    return Item(item_id, title or item_id)
