// A grid of small pictures out of one sprite. Every tile is a button: Tab reaches the grid, arrow keys, Home and End
// move in it, Enter opens. Texts are set as textContent and attributes, never as HTML.
export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const grid = parentElement.querySelector(".grid");
  const { tiles, sprite, columns, rows, width, height } = data;
  const focused = grid.getRootNode().activeElement?.dataset?.id;
  const part = (name, text) => {
    const element = document.createElement("span");
    element.className = name;
    element.textContent = text ?? "";
    return element;
  };
  // A tall picture is narrow, but its caption wants room.
  const cell = Math.max(width, 40);
  grid.style.gridTemplateColumns = `repeat(auto-fill, ${cell + 8}px)`;
  grid.replaceChildren(...tiles.map((tile, place) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = `tile ${tile.route}`;
    button.dataset.id = tile.id;
    button.setAttribute("aria-label", tile.title);
    button.title = tile.title;
    button.tabIndex = place === 0 ? 0 : -1;
    const picture = part("picture");
    const column = place % columns, row = Math.floor(place / columns);
    Object.assign(picture.style, {
      width: `${width}px`, height: `${height}px`,
      backgroundImage: sprite ? `url("${sprite}")` : "none",
      backgroundSize: `${columns * width}px ${rows * height}px`,
      backgroundPosition: `-${column * width}px -${row * height}px`,
    });
    if (tile.corner) {
      const corner = part("corner", tile.corner);
      corner.style.background = tile.colour;
      picture.append(corner);
    }
    button.append(picture, part("caption", tile.caption));
    if (tile.number) button.append(part("caption number", tile.number));
    button.onclick = () => setTriggerValue("clicked", tile.id);
    return button;
  }));
  const buttons = [...grid.children];
  const reach = (from, to) => {
    from.tabIndex = -1;
    to.tabIndex = 0;
    to.focus();
  };
  // Drawn anew, the grid keeps its place for the keyboard.
  const same = buttons.find((one) => one.dataset.id === focused);
  if (same) reach(buttons[0], same);
  grid.onkeydown = (event) => {
    const at = buttons.indexOf(grid.getRootNode().activeElement);
    const across = Math.max(1, buttons.filter((one) => one.offsetTop === buttons[0].offsetTop).length);
    const targets = {
      ArrowRight: at + 1, ArrowLeft: at - 1, ArrowDown: at + across, ArrowUp: at - across,
      Home: 0, End: buttons.length - 1,
    };
    const next = buttons[targets[event.key]];
    if (at < 0 || !next || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    reach(buttons[at], next);
  };
}
