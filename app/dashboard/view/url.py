"""Parameters of the URL: read, validated, completed and written back in one step.

Streamlit's own binding of widgets to the URL silently falls back to a default when a value is wrong. Here the URL is
read first, and the widgets are set from it. All values are always written, so that going back to an older URL restores
the page; values that the links of the navigation drop are kept in the session.
"""

from collections.abc import Collection, Sequence

import streamlit as st

from app.dashboard import sentences
from app.dashboard.view import selection, state


class Address:
    """Parameters of the URL as they are completed, and a message for each value that is wrong."""

    def __init__(self, params: dict[str, str] | None = None) -> None:
        """Start with these parameters; by default with those of the URL."""
        self.params = dict(st.query_params) if params is None else params
        self.problems: list[str] = []
        self.notes: list[str] = []
        """Messages about values that only other runs have, which is no error."""

    def text(self, param: str) -> str | None:
        """Value in the URL, else the last one of this session; None for none."""
        return self.params.get(param) or st.session_state.get(f"kept_{param}")

    def value(self, param: str, options: Sequence[str], what: str) -> str | None:
        """One of the options: the URL's, else the session's, else the first; None for a wrong one in the URL.

        Args:
            param: of the URL.
            options: valid values.
            what: noun for the message, such as ``run``.
        """
        kept = st.session_state.get(f"kept_{param}")
        value, sentence = selection.choose(self.params.get(param), kept, options, what)
        if sentence:
            self.problems.append(sentence)
        return value

    def keep(self, param: str, value: str) -> None:
        """Set a value in the URL, and in the session for links that drop it."""
        st.session_state[f"kept_{param}"] = self.params[param] = value

    def choice(self, param: str, options: Sequence[str], what: str, known: Collection[str] = ()) -> str:
        """:meth:`value`, kept; the first option instead of a wrong one.

        Args:
            param: of the URL.
            options: valid values.
            what: noun for the message.
            known: values that are valid in some runs, such as the one that was shown before.
        """
        wanted = self.params.get(param)
        if wanted in known and wanted not in options:
            self.notes.append(f"There is no {what} {wanted!r} here.")
            del self.params[param]
        value = self.value(param, options, what) or options[0]
        self.keep(param, value)
        return value

    def number(self, param: str, low: int, high: int, what: str) -> int:
        """A whole number from ``low`` to ``high``, the lowest by default."""
        text = self.params.get(param, str(low))
        value = selection.parse_id(text)
        if value is None or not low <= value <= high:
            self.problems.append(
                f"There is no {what} {text[:20]!r} here: give a whole number from {low} to {high}."
            )
            value = low
        self.params[param] = str(value)
        return value

    def write(self, *unused: str) -> None:
        """Write the URL in one step, since each write is a step of the browser's history, and show the messages.

        Args:
            unused: parameters that do not apply and are removed.
        """
        for param in unused:
            self.params.pop(param, None)
        if self.params != dict(st.query_params):
            st.query_params.from_dict(self.params)
        for sentence in self.notes:
            st.caption(sentences.escaped(sentence))
        for sentence in self.problems:
            state.problem(sentence)
