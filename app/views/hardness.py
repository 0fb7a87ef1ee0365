"""hardness: to be built."""

from app import state

view = state.view()
