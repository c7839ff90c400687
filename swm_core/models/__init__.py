# SPDX-License-Identifier: Apache-2.0
"""Semantic world models: answers about the future from an image, an action chunk and questions."""
