"""Registries of components: every entry can be imported and says what it needs."""

import pydantic
import pytest

from modules.models.algorithms import ALGORITHMS
from modules.models.algorithms.base import TwoStageModel
from modules.models.rankers import RANKERS
from modules.models.rankers.base import Ranker
from modules.models.retrievers import RETRIEVERS
from modules.models.retrievers.base import Retriever
from modules.models.samplers import SAMPLERS
from modules.models.samplers.base import Sampler
from modules.registry import Registry
from modules.section import Section

ALL = [(RETRIEVERS, Retriever), (RANKERS, Ranker), (SAMPLERS, Sampler), (ALGORITHMS, TwoStageModel)]


@pytest.mark.parametrize(("registry", "base"), ALL)
def test_entries_are_components_with_options(registry: Registry, base: type) -> None:
    assert len(registry) == len(list(registry)) > 0
    for name in registry:
        assert issubclass(registry[name], base)
        assert issubclass(registry[name].Options, Section)
        assert registry.options(name, {}) == registry[name].Options()


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    registry = Registry("sampler", {"b": "modules.section:Section", "a": "modules.section:Section"})
    with pytest.raises(ValueError, match=r"`sampler.name` must be one of \['a', 'b'\]. Received: 'c'"):
        registry["c"]


def test_options_are_validated_by_the_component() -> None:
    assert SAMPLERS.options("midx", {"codewords": 7}).codewords == 7
    with pytest.raises(pydantic.ValidationError):
        SAMPLERS.options("midx", {"codewords": 0})


def test_a_component_is_imported_when_asked_for() -> None:
    registry = Registry("thing", {"missing": "modules.no_such_module:Thing"})
    assert list(registry) == ["missing"]
    with pytest.raises(ModuleNotFoundError):
        registry["missing"]


def test_a_class_of_anyone_can_be_named_by_where_it_stands() -> None:
    registry = Registry("sampler", {})
    assert registry["modules.section:Section"] is Section
    for name in ("modules.section:Missing", "no_such_module:Section"):
        with pytest.raises(
            ValueError, match=rf"`sampler.name` must be a class that can be imported. Received: '{name}'"
        ):
            registry[name]
