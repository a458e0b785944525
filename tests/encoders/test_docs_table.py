"""The documentation's list of encoders is that of the registry."""

import re
from pathlib import Path

from spotweave._encoders import known_encoders

PAGE = Path(__file__).parents[2] / "docs" / "histology.md"


def test_each_encoder_is_listed_with_its_page_size_licence_and_gate():
    line = r"^\| \[`([\w.-]+)`\]\(([^)]+)\) \| ([^|]+) \| (\w+) \| ([\d,]+) \| (\d+) \| (\w+) \|$"
    rows = re.findall(line, PAGE.read_text(), re.MULTILINE)
    expected = [
        (r.name, r.page, r.licence, "yes" if r.gated else "no", f"{r.n_features:,}", str(r.tile_px), r.builder)
        for r in known_encoders()
    ]
    assert rows == expected
