"""How a long-running call tells its caller how far it is."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is: ``("encoding", 512, 60_000)``."""
