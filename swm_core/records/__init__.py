# SPDX-License-Identifier: Apache-2.0
"""Recordings of the running stack (MCAP): read, replayed by another planner, reported, converted. No ROS needed."""
