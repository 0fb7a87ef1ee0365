"""What the URL asks for: read, validated by hand, completed and written back in one step.

Streamlit's own binding of widgets to the URL falls back to a default without a word when a value is wrong. Here
the URL is read first, and the widgets are set from it. All values are always written out, so that going back to an
older URL restores it; what the navigation's links drop comes back from the session.
"""

from collections.abc import Collection, Sequence

import streamlit as st

from app.dashboard import sentences
from app.dashboard.view import selection, state


class Address:
    """The URL as it is completed, and a sentence for each value in it that is none."""

    def __init__(self, params: dict[str, str] | None = None) -> None:
        """Begin with an address; by default with the URL."""
        self.params = dict(st.query_params) if params is None else params
        self.problems: list[str] = []
        self.notes: list[str] = []
        """What there is in other runs only: nobody's mistake."""

    def text(self, param: str) -> str | None:
        """What the URL says, else what it said last in this session."""
        return self.params.get(param) or st.session_state.get(f"kept_{param}")

    def value(self, param: str, options: Sequence[str], what: str) -> str | None:
        """One of some options: the URL's, else the session's, else the first; None for a wrong one in the URL.

        Args:
            param: of the URL.
            options: what there is.
            what: a word for the sentence, such as ``run``.
        """
        kept = st.session_state.get(f"kept_{param}")
        value, sentence = selection.choose(self.params.get(param), kept, options, what)
        if sentence:
            self.problems.append(sentence)
        return value

    def keep(self, param: str, value: str) -> None:
        """Make a value the URL's, and the session's for links that drop it."""
        st.session_state[f"kept_{param}"] = self.params[param] = value

    def choice(self, param: str, options: Sequence[str], what: str, known: Collection[str] = ()) -> str:
        """:meth:`value`, kept; the first option in the place of a wrong one.

        Args:
            param: of the URL.
            options: what there is.
            what: a word for the sentence.
            known: what there is in some runs, such as the one that the sidebar has just left.
        """
        wanted = self.params.get(param)
        if wanted in known and wanted not in options:
            self.notes.append(f"There is no {what} {wanted!r} here.")
            del self.params[param]
        found = self.value(param, options, what) or options[0]
        self.keep(param, found)
        return found

    def number(self, param: str, low: int, high: int, what: str) -> int:
        """A whole number, the lowest by default."""
        text = self.params.get(param, str(low))
        found = selection.parse_id(text)
        if found is None or not low <= found <= high:
            self.problems.append(
                f"There is no {what} {text[:20]!r} here: give a whole number from {low} to {high}."
            )
            found = low
        self.params[param] = str(found)
        return found

    def write(self, *unused: str) -> None:
        """Write the URL in one step, since each is one of the browser's history, and say what was wrong."""
        for param in unused:
            self.params.pop(param, None)
        if self.params != dict(st.query_params):
            st.query_params.from_dict(self.params)
        for sentence in self.notes:
            st.caption(sentences.escaped(sentence))
        for sentence in self.problems:
            state.problem(sentence)
