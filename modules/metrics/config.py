"""What is measured on the test split, and what a model must reach."""

from typing import Literal

import pydantic

from modules.section import Section


class EvaluationConfig(Section):
    """What is measured on the test split and what a model must reach to be blessed."""

    cutoffs: list[int] = [5, 10, 20]
    """k of Recall@k, NDCG@k and MRR@k; 10 is always among them."""
    min_ndcg: float = pydantic.Field(0.0, ge=0, le=1)
    """Lower bound of the two-stage NDCG@10 over all test users."""
    min_recall: float = pydantic.Field(0.0, ge=0, le=1)
    """Lower bound of both channels' Recall@`candidates` over all test users; must be 0 where `candidates` is `all`."""
    must_beat: list[Literal["popularity", "retriever"]] = []
    """What the two-stage NDCG@10 must not be below: that of the most popular items, that of the retriever alone."""
    max_ndcg_drop: float = pydantic.Field(0.005, ge=0, le=1)
    """How far below the last blessed model the two-stage NDCG@10 may be (absolute)."""
    full_ranking_share: float = pydantic.Field(1.0, ge=0, le=1)
    """Share of test users whose whole corpus is ranked, to tell what the cascade loses."""
    min_slice_users: int = pydantic.Field(10, ge=1)
    """Slices of fewer users are left out of the report's plots."""

    @pydantic.field_validator("cutoffs")
    @classmethod
    def _cutoffs_hold_ten(cls, cutoffs: list[int]) -> list[int]:
        if any(k < 1 for k in cutoffs):
            raise ValueError(f"`cutoffs` must be positive integers. Received: {cutoffs}.")
        return sorted({10, *cutoffs})
