"""Lines over time as an SVG picture, without a plotting library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT, MARGIN = 900, 420, 60
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf")

Points = Sequence[tuple[float, float]]


def svg(title: str, series: Mapping[str, Points], across: str, up: str) -> str:
    """Draw each series as a line, with a frame, its bounds and a legend."""
    xs = [x for points in series.values() for x, _ in points] or [0.0]
    ys = [y for points in series.values() for _, y in points] or [0.0]
    box = (min(xs), max(xs), min(*ys, 0.0), max(*ys, 0.0))
    lines = [_line(points, box, COLOURS[n % len(COLOURS)]) for n, points in enumerate(series.values())]
    legend = [
        f'<text x="{MARGIN + 10}" y="{MARGIN + 18 * (n + 1)}" fill="{COLOURS[n % len(COLOURS)]}">'
        f"{escape(name)}</text>"
        for n, name in enumerate(series)
    ]
    frame = (
        f'<rect x="{MARGIN}" y="{MARGIN}" width="{WIDTH - 2 * MARGIN}" height="{HEIGHT - 2 * MARGIN}" '
        'fill="none" stroke="#888"/>'
    )
    words = [
        f'<text x="{WIDTH / 2}" y="{MARGIN / 2}" text-anchor="middle" font-weight="bold">'
        f"{escape(title)}</text>",
        f'<text x="{WIDTH / 2}" y="{HEIGHT - 15}" text-anchor="middle">{escape(across)}</text>',
        f'<text x="{MARGIN - 6}" y="{MARGIN + 5}" text-anchor="end">{box[3]:.4g}</text>',
        f'<text x="{MARGIN - 6}" y="{HEIGHT - MARGIN}" text-anchor="end">{box[2]:.4g}</text>',
        f'<text x="{MARGIN}" y="{HEIGHT - MARGIN + 18}">{box[0]:.4g}</text>',
        f'<text x="{WIDTH - MARGIN}" y="{HEIGHT - MARGIN + 18}" text-anchor="end">{box[1]:.4g}</text>',
        f'<text x="15" y="{HEIGHT / 2}" transform="rotate(-90 15 {HEIGHT / 2})" text-anchor="middle">'
        f"{escape(up)}</text>",
    ]
    body = "\n".join((frame, *lines, *legend, *words))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="12"><rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>\n{body}\n</svg>\n'
    )


def _line(points: Points, box: tuple[float, float, float, float], colour: str) -> str:
    left, right, low, high = box
    across = (WIDTH - 2 * MARGIN) / ((right - left) or 1.0)
    up = (HEIGHT - 2 * MARGIN) / ((high - low) or 1.0)
    places = " ".join(
        f"{MARGIN + (x - left) * across:.1f},{HEIGHT - MARGIN - (y - low) * up:.1f}" for x, y in points
    )
    return f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
