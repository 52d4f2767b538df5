"""The datasets of a run: named ones, and the members of groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import evolve, frozen

from ..errors import NtkbenchError
from ..registry.manager import Registry
from ..registry.specs import Dataset
from ..types import dataset_label
from .arch_spec import parse_params


@frozen
class ChosenDataset:
    """A dataset with all its parameters. of_group: whether it was chosen as a member of a group."""

    dataset: Dataset
    params: Mapping[str, Any]
    of_group: bool = False

    @property
    def label(self) -> str:
        """The dataset as tables show it."""
        return dataset_label(self.dataset.name, self.params)


def choose_datasets(wanted: Sequence[str], registry: Registry) -> list[ChosenDataset]:
    """Return the datasets to measure on, each once, with the members of groups in their place.

    Args:
        wanted: "NAME" or "NAME:key=value,..." of datasets and groups.
        registry: The registered datasets.

    Raises:
        NtkbenchError: A name or a parameter is unknown, or a group names another group.
    """
    chosen: dict[str, ChosenDataset] = {}
    for word in wanted:
        first = _dataset(word, registry)
        for member in first.dataset.members or (word,):
            found = first if member == word else evolve(_dataset(member, registry), of_group=True)
            if found is not first and found.dataset.members:
                raise NtkbenchError(f"The group {word!r} names {member!r}, which is a group; it must name datasets.")
            chosen.setdefault(found.label, found)
    return list(chosen.values())


def _dataset(word: str, registry: Registry) -> ChosenDataset:
    name, _, words = word.partition(":")
    dataset: Dataset = registry.get("datasets", name)
    return ChosenDataset(dataset, dataset.resolve(parse_params(words, word)))
