"""How fast phasenet and mimamo are, beside their peers, with the error of every result.

`python -m benchmarks` measures; `python -m benchmarks.report` writes the README's table and picture
from what was measured. Both run from the root of a checkout.
"""
