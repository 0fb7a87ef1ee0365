"""The command that lists the recipes: recipes."""

from dataclasses import dataclass

from memgate import console
from memgate.papers.rows import described, read_rows
from memgate.papers.settings import obstacle
from memgate.recipes import RECIPES


@dataclass(frozen=True)
class Recipes:
    """List the recipes of 'memgate train --recipe' and 'memgate sweep', and what each reproduces."""

    def run(self) -> None:
        """Print one line per recipe, and one per table of the papers, whose rows are recipes too."""
        for name, entry in RECIPES.items():
            console.line(f"{name:22s} {entry.purpose}{f' = {entry.reproduces}' if entry.reproduces else ''}")
        rows = read_rows()
        console.line("\nRows of the papers' tables, each a recipe by its name ('memgate reproduce --list'):")
        for table in dict.fromkeys(row.table for row in rows):
            members = [row for row in rows if row.table == table]
            names = members[0].row if len(members) == 1 else f"{members[0].row} ... {members[-1].row}"
            reasons = dict.fromkeys(reason for row in members if (reason := obstacle(row)))
            missing = f" (not to be trained: {'; '.join(reasons)})" if reasons else ""
            console.line(f"{table:18s} {len(members)} of {described(members)}: {names}{missing}")
        console.line(
            "As they are, rows of the report and of paper-1 to paper-4 do what the authors' code did; NAME-text does "
            "what the documents say (and needs --init-from where they start from a baseline)."
        )
