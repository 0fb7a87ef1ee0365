"""What the mouse does on a Plotly chart, where Streamlit does not report it, or only with all selected points."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from streamlit.components import v2


def chart_events(chart: str, key: str, **listeners: Callable[[], object]) -> Any:
    """What a browser reports of a chart, by the name of the event; None where there was no such event.

    Args:
        chart: beginning of the chart's key.
        key: of this component, which shows nothing; its value is in Streamlit's session state too.
        listeners: name of an event to what is called when there is a new one. ``sample``: id of the sample on which
            the mouse rested last. ``clicked``: id of the sample that was clicked. ``outlined``: shapes that were
            drawn, as ``box`` and ``lasso`` of a selection event (:mod:`app.dashboard.view.selection`).
    """
    component = v2.component(
        "memgate_chart_events",
        html="<span></span>",
        js=Path(__file__).with_name("chart_events.js").read_text(),
    )
    data = {"chart": f'[class*="st-key-{chart}"] .js-plotly-plot', "events": list(listeners)}
    callbacks: dict[str, Any] = {f"on_{name}_change": one for name, one in listeners.items()}
    return component(key=key, data=data, **callbacks)
