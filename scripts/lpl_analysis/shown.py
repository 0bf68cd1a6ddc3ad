"""Numbers as texts: what is undefined is called that, and what was not recorded is left out."""

import math

UNDEFINED = "undefined"
MISSING = "n/a"


def number(value, digits=3):
    """None: not recorded."""
    if value is None:
        return MISSING
    return f"{value:.{digits}f}" if math.isfinite(value) else UNDEFINED
