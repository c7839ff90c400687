# SPDX-License-Identifier: Apache-2.0
"""Simulators in place of hardware: one folder per environment, and the ROS nodes that drive them."""
