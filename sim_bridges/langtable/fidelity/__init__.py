# SPDX-License-Identifier: Apache-2.0
"""How near this simulation comes to the original: nine checks, each a list of measurements beside the known numbers."""

from sim_bridges.langtable.fidelity.measurement import Measurement

__all__ = ["Measurement"]
