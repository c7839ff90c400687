# SPDX-License-Identifier: Apache-2.0
"""Every test run talks on a ROS domain of its own and on this machine only."""

import os

FREE_DOMAINS = 101  # domains above 101 would take ports of the range that Linux hands out

os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % FREE_DOMAINS)
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
