# SPDX-License-Identifier: Apache-2.0
"""Base policies: they propose action chunks that planners refine (paper Sec. 3.3.2), and can act alone."""
