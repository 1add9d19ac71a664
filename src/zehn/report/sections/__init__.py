"""The sections of the report, in order: each says how a result was obtained, shows it, and says what it means."""

from zehn.report.document import Section
from zehn.report.facts import Facts
from zehn.report.gallery import Gallery
from zehn.report.sections.appendix import build as build_appendix
from zehn.report.sections.checks import build as build_checks
from zehn.report.sections.classes import build as build_classes
from zehn.report.sections.data import build as build_data
from zehn.report.sections.label_free import build as build_label_free
from zehn.report.sections.model import build as build_model
from zehn.report.sections.querying import build as build_querying
from zehn.report.sections.robustness import build as build_robustness
from zehn.report.sections.title import build as build_title
from zehn.report.sections.title import headline
from zehn.report.sections.training import build as build_training

__all__ = ["build_sections", "build_title", "headline"]

_BUILDERS = (
    build_data,
    build_model,
    build_training,
    build_checks,
    build_querying,
    build_classes,
    build_label_free,
    build_robustness,
    build_appendix,
)


def build_sections(facts: Facts, gallery: Gallery) -> list[Section]:
    """Return all sections of a run's report."""
    return [section for build in _BUILDERS for section in build(facts, gallery)]
