"""The page and the REST service: collections and runs, searched by looking.

The web framework is imported when a service is started, never before: it comes with the extra ``serve``.
"""

from zehn.serve.process import serve
from zehn.serve.settings import TOKEN_VARIABLE, Settings

__all__ = ["TOKEN_VARIABLE", "Settings", "serve"]
