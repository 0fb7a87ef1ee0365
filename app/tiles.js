// A grid of small pictures out of one sprite. Every tile is a button: Tab reaches the grid, the arrow keys move in
// it, Enter opens. Texts are set as textContent and attributes, never as HTML.
export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const grid = parentElement.querySelector(".grid");
  const { tiles, sprite, columns, rows, size, ratio } = data;
  const width = size, height = Math.round(size * ratio);
  grid.style.gridTemplateColumns = `repeat(auto-fill, ${width + 8}px)`;
  grid.replaceChildren(...tiles.map((tile, place) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = `tile ${tile.route}`;
    button.dataset.id = tile.id;
    button.setAttribute("aria-label", tile.title);
    button.title = tile.title;
    button.tabIndex = place === 0 ? 0 : -1;
    const picture = document.createElement("span");
    picture.className = "picture";
    const column = place % columns, row = Math.floor(place / columns);
    Object.assign(picture.style, {
      width: `${width}px`, height: `${height}px`,
      backgroundImage: sprite ? `url("${sprite}")` : "none",
      backgroundSize: `${columns * width}px ${rows * height}px`,
      backgroundPosition: `-${column * width}px -${row * height}px`,
    });
    if (tile.corner) {
      const corner = document.createElement("span");
      corner.className = "corner";
      corner.textContent = tile.corner;
      corner.style.background = tile.colour;
      picture.append(corner);
    }
    const caption = document.createElement("span");
    caption.className = "caption";
    caption.style.width = `${width}px`;
    caption.textContent = tile.caption;
    button.append(picture, caption);
    button.onclick = () => setTriggerValue("clicked", tile.id);
    return button;
  }));
  grid.onkeydown = (event) => {
    const buttons = [...grid.children], at = buttons.indexOf(grid.getRootNode().activeElement);
    const across = Math.max(1, buttons.filter((one) => one.offsetTop === buttons[0].offsetTop).length);
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across }[event.key];
    const next = buttons[at + step];
    if (at < 0 || !next) return;
    event.preventDefault();
    buttons[at].tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  };
}
