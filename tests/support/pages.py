"""What a page of `mimamo.page` holds."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any


def content_of(path: Path) -> Any:
    """The data of a page, from its JSON."""
    text = path.read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="content">(.*)</script>', text)
    assert found is not None
    return json.loads(found[1])
