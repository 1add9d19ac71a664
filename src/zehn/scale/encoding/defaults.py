"""What the help of ``zehn encode`` needs of bulk encoding, without loading anything."""

from __future__ import annotations

EXTRA = "scale"
"""What brings the packages that only this needs."""
BATCH = 2_048
"""Images per unit of work at most, where nothing else is said."""
