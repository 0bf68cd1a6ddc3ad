#!/usr/bin/env python3
"""Makes docs/models.md from what the program says of its neuron models.

    models_page.py LPL_SIM [OUT]
"""

import pathlib
import subprocess
import sys

HEAD = """# The neuron models

What `lpl_sim --models` and `lpl_sim --models NAME` print (`scripts/models_page.py` makes this page of it; a test compares the two). Each is a text in
`models/`, in the language of [cells.md](cells.md); which numbers they are checked against: `tests/reference/check_models.py`.
"""


def said(program, *name):
    return subprocess.run([program, "--models", *name], check=True, capture_output=True, text=True).stdout


def page(program):
    names = [line.split()[0] for line in said(program).splitlines()[1:]]
    parts = [HEAD, f"```\n{said(program)}```\n"]
    parts += [f"## {name}\n```\n{said(program, name)}```\n" for name in names]
    return "\n".join(parts)


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3:
        sys.exit(__doc__)
    out = pathlib.Path(sys.argv[2]) if len(sys.argv) == 3 else pathlib.Path(__file__).parents[1] / "docs/models.md"
    out.write_text(page(sys.argv[1]))
