"""The colours and words of the dashboard, the same on every page (Okabe and Ito, safe for the colour-blind)."""

CORRUPTED = "#D55E00"
CLEAN = "#0072B2"
ROUTED = "#CC79A7"
SKIPPED = "#999999"

CAUSE_COLOURS = {
    "unknown": "#555555",
    "clean": CLEAN,
    "corrupted": CORRUPTED,
    "label": "#E69F00",
    "image": "#009E73",
    "label+image": "#56B4E9",
    "open": "#8A63D2",
}
"""One colour per cause of corruption; ``corrupted`` pools all causes."""

CAUSE_DASHES = {
    "unknown": "solid",
    "clean": "solid",
    "corrupted": "solid",
    "label": "dash",
    "image": "dot",
    "label+image": "dashdot",
    "open": "longdash",
}
"""Pattern of the line for each cause, for readers who cannot distinguish the colours."""

CAUSE_SYMBOLS = {
    "unknown": "circle",
    "clean": "circle",
    "corrupted": "x",
    "label": "x",
    "image": "diamond",
    "label+image": "square",
    "open": "triangle-up",
}
"""Plotly's marker for each cause."""

CAUSE_WORDS = {
    "all": "all samples",
    "unknown": "unknown whether corrupted",
    "clean": "clean",
    "corrupted": "corrupted (any cause)",
    "label": "label corrupted",
    "image": "image corrupted",
    "label+image": "label and image corrupted",
    "open": "image of another data set",
}

SERIES = (
    (CLEAN, "solid"),
    (CORRUPTED, "dash"),
    ("#009E73", "dot"),
    (ROUTED, "dashdot"),
    ("#E69F00", "longdash"),
    ("#56B4E9", "longdashdot"),
    ("#8A63D2", "solid"),
    (SKIPPED, "dash"),
)
"""Colour and dash of lines that stand for no cause and no route, such as several scores."""

SHARE = "Cividis"
"""Colour scale of shares and of values in [0, 1]."""

DIFFERENCE = [(0.0, CLEAN), (0.5, "#FFFFFF"), (1.0, CORRUPTED)]
"""Colour scale, centred at 0, of corrupted minus clean."""

MISSING = "#C8C8C8"
"""Cells without a value where white stands for 0."""

DENSITY = "Viridis"
"""Colour scale of counts."""


def translucent(colour: str, alpha: float) -> str:
    """A ``#RRGGBB`` colour as ``rgba(…)`` text, for bands."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha:g})"
