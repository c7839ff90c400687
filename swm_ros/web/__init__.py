# SPDX-License-Identifier: Apache-2.0
"""The web monitor: what the stack sees, thinks and does, on a page of this machine's own."""
