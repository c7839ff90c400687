# SPDX-License-Identifier: Apache-2.0
"""How good it is: tasks solved, questions answered, time per plan, with intervals and reports."""
