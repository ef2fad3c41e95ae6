"""Beside the thirteen steps: report: why a report could not be made."""

from __future__ import annotations

from cloud.errors import CloudError


class ReportUnavailable(CloudError):
    """The report could not be set: the fonts are missing, or it took too long. Nothing of its contents is told."""
