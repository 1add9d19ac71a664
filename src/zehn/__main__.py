"""``python -m zehn``."""

from zehn.cli import main

raise SystemExit(main())
