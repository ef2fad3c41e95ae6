"""Beside the thirteen steps: report: an examination's report as a PDF and as what the page prints.

`ReportFacts` (facts.py) -> `Sheet` (wording.py: every word, in English or Chinese) -> PDF (template.typ). Research
use, not for diagnosis.
"""
