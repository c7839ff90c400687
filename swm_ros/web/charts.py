# SPDX-License-Identifier: Apache-2.0
"""Curves, drawings and tables of the page, as options of charts, SVG and HTML. Nothing of the page itself here."""

from __future__ import annotations

import base64
import html
from typing import Any

import numpy as np

from swm_msgs.msg import Explanation, Plan, StackStatus

FAINT = 0.05  # share of the strongest cell below which a cell is not drawn
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
    """Which question gained how much in which iteration, as HTML."""
    count, ends = len(plan.questions), plan.sub_chunks
    if not count or not ends:
        return ""
    shares = np.asarray(plan.probabilities, float).reshape(-1, count, ends)[:, :, -1]
    rows = ""
    for question, course in zip(plan.questions, shares.T, strict=True):
        gained = "".join(f"<td>{round(100 * gain):+d}</td>" for gain in np.diff(course))
        first, last = (f"{100 * share:.0f} %" for share in course[[0, -1]])
        rows += f"<tr><td>{html.escape(question)}</td><td>{first}</td>{gained}<td>{last}</td></tr>"
    numbers = "".join(f"<td>{number}</td>" for number in range(1, len(shares)))
    head = f"<tr><td>at the end of the chunk</td><td>proposal</td>{numbers}<td>plan</td></tr>"
    return f'<table style="width:100%">{head}{rows}</table>'


def attention_pictures(explanation: Explanation, frame: bytes, width: int, height: int) -> str:
    """Where each question looks, as HTML: the frame with the cells that match what it names.

    Args:
        explanation: with attention.
        frame: JPEG.
        width: of the frame, px.
        height: px.
    """
    picture, cell = base64.b64encode(frame).decode(), explanation.cell
    maps = np.asarray(explanation.attention, float).reshape(-1, explanation.rows, explanation.columns)
    found = []
    for question, weights in zip(explanation.questions, maps, strict=True):
        most = max(float(weights.max()), 1e-9)
        cells = "".join(
            f'<rect x="{cell * column}" y="{cell * row}" width="{cell}" height="{cell}" fill="#ffd54f" '
            f'opacity="{weights[row, column] / most:.2f}"/>'
            for row, column in np.argwhere(weights > FAINT * most)
        )
        found.append(
            f'<figure style="display:inline-block;width:48%;margin:1%"><svg viewBox="0 0 {width} {height}">'
            f'<image href="data:image/jpeg;base64,{picture}" width="{width}" height="{height}" opacity="0.45"/>'
            f"{cells}</svg><figcaption>{html.escape(question)}</figcaption></figure>"
        )
    return "".join(found)
