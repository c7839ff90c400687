# SPDX-License-Identifier: Apache-2.0
"""Training of world models on question-answer samples drawn from trajectories."""
