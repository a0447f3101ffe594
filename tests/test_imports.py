"""Imports go one way, as docs/architecture.md draws it."""

import graphlib

import pytest

from tests.import_graph import import_graph, rooms
from tests.paths import ROOT

# What each package may import besides itself.
PACKAGES = {
    "modules": set(),
    "model_server": set(),
    "tfx_pipeline": {"modules"},
    "kubeflow": {"tfx_pipeline", "modules"},
    "experiments": {"tfx_pipeline", "modules"},
    "benchmarks": {"experiments", "tfx_pipeline", "modules"},
}

# From the ground up: a room imports lower floors only; a file of `modules` not named here is the ground.
FLOORS = (
    {"data", "models", "metrics"},
    {"serving"},
    {"export"},
    {"training"},
    {"tuning"},
    {"preprocessing", "trainer", "evaluator", "recommend_all"},
    {"tuner"},
)


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    return import_graph(ROOT)


def test_no_circle_of_files(graph):
    list(graphlib.TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("package", ["", "modules", "tfx_pipeline", "model_server"])
def test_no_circle_of_rooms(graph, package):
    list(graphlib.TopologicalSorter(rooms(graph, package)).static_order())


def test_packages_import_one_way(graph):
    drawn = rooms(graph)
    assert {name: drawn[name] - allowed for name, allowed in PACKAGES.items() if drawn[name] - allowed} == {}
    assert drawn.keys() == PACKAGES.keys()


def test_rooms_of_modules_import_downwards(graph):
    floor = {room: height for height, names in enumerate(FLOORS, start=1) for room in names}
    upward = [
        (room, target)
        for room, targets in rooms(graph, "modules").items()
        for target in targets
        if floor.get(target, 0) >= floor.get(room, 0) and floor.get(target, 0) > 0
    ]
    assert upward == []


def test_what_tests_share_lies_in_plain_modules():
    graph = import_graph(ROOT, ["tests"])
    tests = {name for name in graph if name.rpartition(".")[2].startswith("test_")}
    assert tests
    assert {name: targets & tests for name, targets in graph.items() if targets & tests} == {}


def test_a_circle_is_seen_through_rooms_and_functions(tmp_path):
    for name, text in {
        "modules/a/x.py": "from modules.b import y\n",
        "modules/b/y.py": "def late():\n    import modules.a.z\n",
        "modules/a/z.py": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    graph = import_graph(tmp_path)
    assert graph == {"modules.a.x": {"modules.b.y"}, "modules.b.y": {"modules.a.z"}, "modules.a.z": set()}
    assert rooms(graph, "modules") == {"a": {"b"}, "b": {"a"}}
