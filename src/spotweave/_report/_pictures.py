"""Figures as part of the page: small PNGs inside the HTML."""

import io
from base64 import b64encode

import numpy as np
from markupsafe import Markup, escape
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from ..pl._figure import Figure

_COLORS = 256  # a map has one colour scale: a palette holds it, in a third of the bytes
_DPI = 130  # sharp at the width of the page


def picture(figure: Figure, *, alt: str, rare: bool = False) -> Markup:
    """Return the figure as an ``img`` whose bytes are inside; `alt` says what it shows.

    With `rare` the palette covers all colours that occur, however few pixels they have: rings on a photograph.
    """
    drawn = Image.fromarray(_pixels(figure)).convert("RGB")
    buffer = io.BytesIO()
    method = Image.Quantize.MAXCOVERAGE if rare else Image.Quantize.MEDIANCUT
    drawn.quantize(_COLORS, method=method, dither=Image.Dither.NONE).save(buffer, format="png")
    data = b64encode(buffer.getvalue()).decode()
    size = f'width="{drawn.width * 100 // _DPI}" height="{drawn.height * 100 // _DPI}"'
    return Markup(
        f'<figure class="picture"><img {size} alt="{escape(alt)}" src="data:image/png;base64,{data}"></figure>'
    )


def _pixels(figure: Figure) -> np.ndarray:
    """Red, green, blue and opacity ``[height, width, 4]``."""
    figure.set_dpi(_DPI)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())
