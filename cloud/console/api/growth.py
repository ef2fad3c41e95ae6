"""Step 13 of 13: console. The growth standards as curves, reckoned from the same formulas as every z-score."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from pydantic import Field

from cloud.console.api.reading_models import Shown
from cloud.infer.biometry import DAYS_A_WEEK, REFERENCES, Measure, centile_value

CENTILES: Final = (3, 10, 50, 90, 97)
"""The curves that INTERGROWTH-21st itself prints."""


class GrowthWeek(Shown):
    """The curves at one week."""

    weeks: int = Field(description="Gestational age: this many weeks and 0 days.")
    mm: list[float] = Field(description="Length at each of the centiles, in their order, mm.")


class GrowthCurves(Shown):
    """The standard of one length."""

    measure: Measure = Field(description="Which length, as in readings.")
    name: str = Field(description="The same in words, English.")
    centiles: list[int] = Field(description="Percent of healthy fetuses below each curve.")
    weeks: list[GrowthWeek] = Field(description="Every week that the standard covers.")
    formula: str = Field(description="How a z-score is reckoned by it.")
    reference: str = Field(description="Its publication.")


def router() -> APIRouter:
    """The route /api/growth/{measure}."""
    routes = APIRouter(prefix="/api", tags=["server"])

    @routes.get("/growth/{measure}", summary="Growth standard of a length as centile curves")
    async def get_growth(measure: Measure) -> GrowthCurves:
        return growth_curves(measure)

    return routes


def growth_curves(measure: Measure) -> GrowthCurves:
    """The standard's curves at every whole week that it covers."""
    reference = REFERENCES[measure]
    return GrowthCurves(
        measure=measure,
        name=reference.name,
        centiles=list(CENTILES),
        weeks=[
            GrowthWeek(
                weeks=week,
                mm=[centile_value(measure, percent, week * DAYS_A_WEEK) for percent in CENTILES],
            )
            for week in range(reference.first_week, reference.last_week + 1)
        ],
        formula=reference.formula,
        reference=reference.citation,
    )
