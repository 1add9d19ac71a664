"""The stages of ``zehn run``: data → evolve → train → check → query → report, in one run folder, each resumable."""

from zehn.pipeline.bundle import bundle
from zehn.pipeline.compare import compare
from zehn.pipeline.encoding import encode
from zehn.pipeline.followers import follow
from zehn.pipeline.plan import STAGE_NAMES
from zehn.pipeline.run import default_out, headline, run, run_again

__all__ = ["STAGE_NAMES", "bundle", "compare", "default_out", "encode", "follow", "headline", "run", "run_again"]
