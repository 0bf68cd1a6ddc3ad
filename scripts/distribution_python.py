"""Import me first: runs the calling script under the distribution's Python where h5py is missing.

The scripts use Debian's python3-numpy, -scipy, -h5py, -sklearn and -matplotlib; another python3 that stands first in
PATH usually lacks them.
"""

import os
import sys

try:
    import h5py  # noqa: F401
except ImportError:
    SYSTEM_PYTHON = "/usr/bin/python3"
    if os.path.realpath(sys.executable) == os.path.realpath(SYSTEM_PYTHON) or not os.path.exists(SYSTEM_PYTHON):
        sys.exit("h5py is missing; install python3-h5py, -numpy, -scipy, -sklearn and -matplotlib, or their like elsewhere")
    os.execv(SYSTEM_PYTHON, [SYSTEM_PYTHON, *sys.argv])
