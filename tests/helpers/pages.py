"""What tests of the dashboard read of a page that streamlit.testing has run."""

import base64
import json
from typing import Any

import numpy as np
from streamlit.components.v2.bidi_component.main import _make_trigger_id
from streamlit.testing.v1 import AppTest

CASES: dict[str, dict[str, Any]] = {
    "finished": {"epochs": 5, "n": 300},
    "one epoch": {"epochs": 1},
    "no epoch yet": {"epochs": 3, "finished": 0},
    "stopped, images only": {"epochs": 6, "finished": 2, "noise": ("randx:0.2",)},
    "no noise": {"noise": ("symmetric:0",)},
    "ungated": {"gates": ()},
    "two gates, unseen": {"gates": ("b2", "b3"), "val_n": 40, "unseen": {2: [0, 1, 2], 4: [0]}},
    "online, every second epoch": {"mode": "online", "epochs": 6, "every": 2},
    "hundred classes": {"n": 300, "test_n": 100, "classes": 100},
    "a subset, reduced log": {"subset": 0, "quantities": "memorisation"},
}
"""What a run may be like, to the arguments that make such a run; some cases are two that do not touch each other."""


def figure(at: AppTest, key: str) -> dict[str, Any]:
    """The Plotly figure whose key begins so (Streamlit puts the key into the element's id)."""
    protos: list[Any] = [element.proto for element in at.get("plotly_chart")]  # pyright: ignore
    return next(json.loads(proto.spec) for proto in protos if f"-{key}" in proto.id)


def decoded(values: Any) -> np.ndarray:
    """An array as Plotly sends it: typed, in base64."""
    assert set(values) >= {"dtype", "bdata"}, "not sent as a typed array"
    array = np.frombuffer(base64.b64decode(values["bdata"]), values["dtype"])
    return array.reshape([int(n) for n in values["shape"].split(",")]) if "shape" in values else array


def brush(at: AppTest, key: str, chosen: dict[str, Any]) -> None:
    """Send what a browser sends when something is selected in a chart."""
    protos: list[Any] = [element.proto for element in at.get("plotly_chart")]  # pyright: ignore
    states: Any = at._tree.get_widget_states()
    state = states.widgets.add()
    state.id = next(proto.id for proto in protos if f"-{key}" in proto.id)
    empty: dict[str, Any] = {"points": [], "point_indices": [], "box": [], "lasso": []}
    state.string_value = json.dumps({"selection": empty | chosen})
    at._run(states)
    assert not at.exception


def trigger(at: AppTest, key: str, event: str, value: Any) -> None:
    """Send what a component sends once, by the key of the component."""
    protos: list[Any] = [element.proto for element in at.get("bidi_component")]
    [base] = [proto.id for proto in protos if proto.id.endswith(f"-{key}")]
    states: Any = at._tree.get_widget_states()
    state = states.widgets.add()
    state.id = _make_trigger_id(base, "events")
    state.json_trigger_value = json.dumps([{"event": event, "value": value}])
    at._run(states)
    assert not at.exception


def texts(at: AppTest) -> str:
    """All that a page says, but for its red sentences, without Markdown's escapes."""
    kinds = (at.markdown, at.caption, at.info, at.warning, at.success)
    return "\n".join(element.value for kind in kinds for element in kind).replace("\\", "")


def errors(at: AppTest) -> list[str]:
    """What a page says in red."""
    return [element.value.replace("\\", "") for element in at.error]


def table(at: AppTest, column: str) -> Any:
    """The first table (DataFrame) that has a column."""
    return next(one.value for one in at.dataframe if column in one.value.columns)


def shown_tiles(at: AppTest, key: str) -> list[int]:
    """Ids of the tiles of a component, in their order."""
    protos: list[Any] = [element.proto for element in at.get("bidi_component")]
    [proto] = [one for one in protos if key in one.id]
    return [tile["id"] for tile in json.loads(proto.json)["tiles"]]
