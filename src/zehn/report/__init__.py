"""The report: a PDF and a JSON file, drawn from a run folder and nothing else."""

from zehn.report.report import write_report

__all__ = ["write_report"]
