# SPDX-License-Identifier: Apache-2.0
"""The science of Semantic World Models: tasks, data, models and planning, without ROS and without a simulator."""
