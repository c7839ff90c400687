# SPDX-License-Identifier: Apache-2.0
"""Time of a plan, ours and the paper's order of computation; the same as `semworld bench`, with its options."""

import sys

from swm_core.cli import main

if __name__ == "__main__":
    sys.exit(main(["bench", *sys.argv[1:]]))
