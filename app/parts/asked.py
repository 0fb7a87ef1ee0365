"""What the URL says beside the sidebar's words: read, validated by hand, completed and written back in one step."""

from collections.abc import Collection, Sequence

import streamlit as st

from app import selection, state, words


class Asked:
    """What the URL asks for, completed and validated by hand; a sentence for each value that is none."""

    def __init__(self) -> None:
        """Read the URL."""
        self.address = dict(st.query_params)
        self.wrong: list[str] = []
        self.elsewhere: list[str] = []
        """What there is in other runs only: nobody's mistake."""

    def choice(self, param: str, options: Sequence[str], shown_as: str, known: Collection[str] = ()) -> str:
        """One of some options: the URL's, else the last one (the navigation's links drop it), else the first.

        Args:
            param: name in the URL.
            options: what there is here.
            shown_as: a word for the messages.
            known: what there is in some runs, such as the one that the sidebar has just left.
        """
        kept = st.session_state.get(f"kept_{param}")
        wanted = self.address.get(param)
        if wanted in known and wanted not in options:
            self.elsewhere.append(f"There is no {shown_as} {wanted!r} here.")
            del self.address[param]
        value, sentence = selection.choose(self.address.get(param), kept, options, shown_as)
        if sentence:
            self.wrong.append(sentence)
        found = value or options[0]
        st.session_state[f"kept_{param}"] = self.address[param] = found
        return found

    def number(self, param: str, low: int, high: int, what: str) -> int:
        """A whole number, the lowest by default."""
        text = self.address.get(param, str(low))
        found = selection.parse_id(text)
        if found is None or not low <= found <= high:
            self.wrong.append(
                f"There is no {what} {text[:20]!r} here: give a whole number from {low} to {high}."
            )
            found = low
        self.address[param] = str(found)
        return found

    def settle(self, *unused: str) -> None:
        """Write the URL in one step, and say what was wrong."""
        for param in unused:
            self.address.pop(param, None)
        if self.address != dict(st.query_params):
            st.query_params.from_dict(self.address)
        for sentence in self.elsewhere:
            st.caption(words.plain(sentence))
        for sentence in self.wrong:
            state.problem(sentence)
