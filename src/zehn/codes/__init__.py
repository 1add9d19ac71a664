"""Images to codes and back, the model that does it, and files of codes.

Whoever encodes many images gets the fingerprint of the model that made the codes along with them: codes of two models
must never meet.
"""

from zehn.codes.files import Codes, check_ending, read, write
from zehn.codes.network import from_network, to_network
from zehn.codes.passes import count_threads, decode, encode

__all__ = ["Codes", "check_ending", "count_threads", "decode", "encode", "from_network", "read", "to_network", "write"]
