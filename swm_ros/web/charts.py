# SPDX-License-Identifier: Apache-2.0
"""Curves, drawings and tables of the page, as options of charts, SVG and HTML. Nothing of the page itself here."""

from __future__ import annotations

import html
from typing import Any

import numpy as np

from swm_msgs.msg import Plan, StackStatus

NODE = ("missing", "unconfigured", "inactive", "active", "silent", "finalized")  # by number in StackStatus


def lines(
    series: dict[str, list], x: str, span: tuple[Any, Any] = ("dataMin", "dataMax"), high: float | None = 1
) -> dict:
    """Options of a chart of curves.

    Args:
        series: points by name.
        x: what the horizontal axis is called.
        span: of the horizontal axis.
        high: of the vertical axis, which begins at 0; None for what fits.
    """
    grey = {"lineStyle": {"color": "#333"}}
    across = {"type": "value", "name": x, "nameLocation": "middle", "nameGap": 20, "splitLine": grey}
    low = 0 if high is not None else None
    return {
        "animation": False,
        "grid": {"left": 48, "right": 12, "top": 34, "bottom": 34},
        "legend": {"type": "scroll", "top": 0, "textStyle": {"color": "#ccc"}},
        "tooltip": {"trigger": "axis"},
        "xAxis": across | {"min": span[0], "max": span[1]},
        "yAxis": {"type": "value", "min": low, "max": high, "splitLine": grey},
        "series": [
            {"name": name, "type": "line", "data": data, "showSymbol": len(data) < 30, "symbolSize": 5}
            for name, data in series.items()
        ],
    }


def polyline(pixels: np.ndarray, colour: str, width: float) -> str:
    """(N, 2) px as SVG; points that are not finite are left out."""
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in pixels[np.isfinite(pixels).all(-1)])
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{width}"/>'


def nodes_table(stack: StackStatus) -> str:
    """How the nodes stand, as HTML."""
    parts = []
    for name, state, restarts in zip(stack.nodes, stack.node_states, stack.restarts, strict=True):
        colour = "#7bd88f" if state == StackStatus.ACTIVE else "#ff6b6b"
        again = f" (restarted {restarts} times)" if restarts else ""
        parts.append(f'<span style="color:{colour}">&#9679;</span> {html.escape(name)} {NODE[state]}{again}')
    return " &nbsp; ".join(parts) or "the manager has not reported yet"


def gains_table(plan: Plan) -> str:
    """Which question gained how much by the refinement, as HTML."""
    count, ends = len(plan.questions), plan.sub_chunks
    if not count or not ends:
        return ""
    shares = np.asarray(plan.probabilities, float).reshape(-1, count, ends)[:, :, -1]
    rows = ""
    for k, question in enumerate(plan.questions):
        first, last = (f"{100 * share:.0f} %" for share in shares[[0, -1], k])
        rows += f"<tr><td>{html.escape(question)}</td><td>{first}</td><td>{last}</td></tr>"
    head = "<tr><td>at the end of the chunk</td><td>proposal</td><td>plan</td></tr>"
    return f'<table style="width:100%">{head}{rows}</table>'
