#!/usr/bin/env python3
"""Draws the icon's pictures from the shape that the window uses: draw.py FOLDER (needs Pillow)."""

import math
import sys
from pathlib import Path

from PIL import Image


def ring(x, y):
    """Colour and cover of a point of the 64 x 64 icon: a ring with a gap, and a dot in it."""
    dx, dy = x - 31.5, y - 31.5
    if math.hypot(dx - 12, dy) < 7:
        return (240, 196, 96, 255)
    in_ring = abs(math.hypot(dx, dy) - 21) < 6 and not (dx > 0 and abs(dy) < 8)
    return (62, 166, 184, 255) if in_ring else (0, 0, 0, 0)


def picture(side, over=4):
    wide = Image.new("RGBA", (side * over, side * over))
    scale = 64 / (side * over)
    wide.putdata([ring(x * scale, y * scale) for y in range(side * over) for x in range(side * over)])
    return wide.resize((side, side), Image.Resampling.BOX)


def main():
    folder = Path(sys.argv[1])
    largest = picture(256)
    largest.save(folder / "hilum.png")
    largest.save(folder / "hilum.ico", sizes=[(side, side) for side in (16, 32, 48, 256)])
    largest.save(folder / "hilum.icns")


main()
