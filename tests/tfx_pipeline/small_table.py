"""A small interactions table with structure: users of two tastes walk through their own half of the items."""

import csv
import sys
from pathlib import Path

import numpy as np
import yaml

NUM_USERS, NUM_ITEMS, LENGTH = 60, 40, 14


def write_table(path: Path, seed: int = 0) -> None:
    """Writes a CSV with columns who, what, when, kind; ids hold spaces, quotes and letters beyond ASCII."""
    random = np.random.default_rng(seed)
    half = NUM_ITEMS // 2
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["who", "what", "when", "kind"])
        for user in range(NUM_USERS):
            taste = user % 2
            start = random.integers(half)
            for step in range(LENGTH):
                item = taste * half + (start + step) % half
                kind = "even" if item % 2 == 0 else "odd"
                writer.writerow([f"user {user}", item_name(item), 1_600_000_000 + 100 * step, kind])


def item_name(item: int) -> str:
    """Returns the id of an item as it stands in the table."""
    return f'café "{item}", №'


def write_config(path: Path, table: Path, root: Path, **overrides: dict) -> None:
    """Writes a pipeline configuration over the table that trains within seconds."""
    values = {
        "name": "small",
        "root": str(root),
        "data": {
            "source": "csv",
            "path": str(table),
            "columns": {"user": "who", "item": "what", "timestamp": "when"},
            "min_user_interactions": 5,
            "min_item_interactions": 5,
            "item_features": {"kind": {"column": "kind"}},
        },
        "model": {
            "embedding_dim": 8,
            "history_length": 5,
            "num_negatives": 5,
            "candidates": 20,
            "retriever": {"name": "sasrec", "blocks": 1},
            "sampler": {"name": "midx", "codewords": 4, "refresh_steps": 5},
        },
        "training": {"epochs": 2, "batch_size": 64},
    }
    for section, settings in overrides.items():
        values[section] = {**values.get(section, {}), **settings}
    path.write_text(yaml.safe_dump(values), encoding="utf-8")


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    write_table(folder / "table.csv")
    write_config(folder / "config.yaml", folder / "table.csv", folder / "var", serving={"scann": False})
