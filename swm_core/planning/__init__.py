# SPDX-License-Identifier: Apache-2.0
"""From answers to actions: the value of an action chunk and the planners that raise it."""
