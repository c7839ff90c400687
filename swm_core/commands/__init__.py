# SPDX-License-Identifier: Apache-2.0
"""Sub-commands of `semworld`, a module each; the table is in `swm_core.cli`."""
