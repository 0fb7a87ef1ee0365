"""Shows notebooks as pages of the site: a hook of mkdocs.

Each ``.ipynb`` becomes a Markdown page with its cells and the outputs that it holds; nothing is executed, and nothing
is loaded from another host. (Plugins for notebooks load scripts for formulas and diagrams.)
"""

import base64
import json
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Put a page, and a file for each figure, in the place of each notebook."""
    for file in [file for file in files if file.src_uri.endswith(".ipynb")]:
        page = PurePosixPath(file.src_uri).with_suffix(".md")
        notebook, figures = json.loads(file.content_string), {}
        text = "\n\n".join(_blocks(notebook["cells"], page.stem, figures)) + "\n"
        files.remove(file)
        files.append(File.generated(config, str(page), content=text))
        for name, content in figures.items():
            files.append(File.generated(config, str(page.with_name(name)), content=content))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Let links to notebooks lead to their pages."""
    return markdown.replace(".ipynb)", ".md)")


def _blocks(cells: list[dict[str, Any]], stem: str, figures: dict[str, bytes]) -> Iterator[str]:
    """The cells and their outputs as Markdown; figures are added to ``figures`` by their file names."""
    for cell in cells:
        source = "".join(cell["source"])
        yield source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```"
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if "image/png" in data:
                name = f"{stem}_{len(figures) + 1}.png"
                figures[name] = base64.b64decode(data["image/png"])
                yield f"![Output of the cell above]({name})"
            elif text := "".join(output.get("text", data.get("text/plain", ()))):
                yield f"```text\n{text.rstrip()}\n```"
