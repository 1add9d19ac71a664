"""The command line: parse, make one public call, print.

Exit codes: 0 when all went well, 1 when a check found something wrong (``zehn data verify``), 2 for a user's mistake
(one line on standard error, no traceback), 130 after Ctrl-C.
"""

from zehn.cli.main import main
from zehn.cli.parser import build_parser

__all__ = ["build_parser", "main"]
