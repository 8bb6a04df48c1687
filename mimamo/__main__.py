"""``python -m mimamo``: the same as the command ``mimamo``."""

import sys

from mimamo.cli import main

sys.exit(main())
