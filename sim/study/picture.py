"""The study as one SVG picture: money per hour, and what was expected beside what came, as latency grows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape

from sim.study.result import Row

WIDTH, HEIGHT = 960, 420
PANEL, TOP, BOTTOM, LEFT, GAP = 390, 50, 60, 70, 90
COLOURS = ("#d62728", "#1f77b4", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf")

Line = tuple[str, str, str, list[tuple[float, float, float]]]
"""Name, colour, dash, and (latency, value, error) of every point."""


def picture(rows: Sequence[Row], title: str) -> str:
    """Draw both panels."""
    bots = {bot: [row for row in rows if row.bot == bot] for bot in dict.fromkeys(row.bot for row in rows)}
    net = _lines(bots, {"net": ("", lambda row: row.net_usdt, lambda row: row.net_usdt_error)})
    bps = _lines(
        bots,
        {
            "expected": ("6 4", lambda row: row.expected_bps, lambda row: 0.0),
            "realised": ("", lambda row: row.realised_bps, lambda row: row.realised_bps_error),
        },
    )
    body = [
        *_panel(LEFT, net, "net of fees, USDT an hour (bars: one standard error)"),
        *_panel(LEFT + PANEL + GAP, bps, "bps of what was put in (bars: one standard error)"),
        _text(WIDTH / 2, 22, title, "middle", bold=True),
        _text(WIDTH / 2, HEIGHT - 12, "one-way latency to every venue, ms", "middle"),
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="12"><rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>\n'
        + "\n".join(body)
        + "\n</svg>\n"
    )


Value = Callable[[Row], float]


def _lines(bots: Mapping[str, list[Row]], kinds: Mapping[str, tuple[str, Value, Value]]) -> list[Line]:
    return [
        (
            f"{bot}, {kind}",
            COLOURS[number % len(COLOURS)],
            dash,
            [(row.latency_ms, value(row), error(row)) for row in rows],
        )
        for number, (bot, rows) in enumerate(bots.items())
        for kind, (dash, value, error) in kinds.items()
    ]


def _panel(left: float, lines: Sequence[Line], words: str) -> list[str]:
    points = [point for _, _, _, line in lines for point in line]
    latencies = sorted({latency for latency, _, _ in points})
    low = min([0.0, *(value - error for _, value, error in points)])
    high = max([0.0, *(value + error for _, value, error in points)])
    first, last = math.log(latencies[0]), math.log(latencies[-1])

    def across(latency: float) -> float:
        return left + 15 + (math.log(latency) - first) / ((last - first) or 1.0) * (PANEL - 30)

    def up(value: float) -> float:
        return HEIGHT - BOTTOM - 10 - (value - low) / ((high - low) or 1.0) * (HEIGHT - TOP - BOTTOM - 20)

    drawn = [
        f'<rect x="{left}" y="{TOP}" width="{PANEL}" height="{HEIGHT - TOP - BOTTOM}" '
        'fill="none" stroke="#888"/>',
        _text(left + PANEL / 2, TOP - 8, words, "middle"),
        *(_text(across(one), HEIGHT - BOTTOM + 16, f"{one:g}", "middle") for one in latencies),
        *(line for value in _ticks(low, high) for line in _gridline(left, up(value), f"{value:g}")),
        f'<line x1="{left}" x2="{left + PANEL}" y1="{up(0):.1f}" y2="{up(0):.1f}" stroke="#999"/>',
    ]
    # Bars of one latency stand beside each other.
    for number, (name, colour, dash, line) in enumerate(lines):
        aside = (number - (len(lines) - 1) / 2) * 3
        drawn += _line([(across(at) + aside, value, error) for at, value, error in line], colour, dash, up)
        drawn.append(_text(left + 12, HEIGHT - BOTTOM - 12 - 18 * number, name, "start", colour, dash))
    return drawn


Scale = Callable[[float], float]


def _ticks(low: float, high: float) -> list[float]:
    """Give some five round values from low to high."""
    rough = (high - low or 1.0) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    return [step * number for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _gridline(left: float, y: float, words: str) -> list[str]:
    return [
        f'<line x1="{left}" x2="{left + PANEL}" y1="{y:.1f}" y2="{y:.1f}" stroke="#eee"/>',
        _text(left - 6, y + 4, words, "end"),
    ]


def _line(line: Sequence[tuple[float, float, float]], colour: str, dash: str, up: Scale) -> list[str]:
    places = " ".join(f"{x:.1f},{up(value):.1f}" for x, value, _ in line)
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return [
        f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="1.8"{dashed}/>',
        *(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{up(value - error):.1f}" y2="{up(value + error):.1f}" '
            f'stroke="{colour}"/>'
            for x, value, error in line
            if error > 0
        ),
    ]


def _text(
    x: float, y: float, words: str, anchor: str, colour: str = "black", dash: str = "", *, bold: bool = False
) -> str:
    weight = ' font-weight="bold"' if bold else ""
    shown = f"{words} (dashed)" if dash else words
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}"{weight} '
        f'stroke="white" stroke-width="4" paint-order="stroke">{escape(shown)}</text>'
    )
