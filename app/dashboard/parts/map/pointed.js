// Reports the sample under the mouse on a Plotly chart, once the mouse has rested on it.
export default function (component) {
  const { data, setStateValue } = component;
  const REST = 120; // milliseconds
  let chart = null, rest = 0, shown = null;
  const over = (event) => {
    const id = event.points?.[0]?.customdata;
    clearTimeout(rest);
    if (!Number.isInteger(id) || id === shown) return;
    rest = setTimeout(() => setStateValue("sample", (shown = id)), REST);
  };
  const away = () => clearTimeout(rest);
  // The chart is drawn after this component, and anew when a selection is cleared.
  const attach = () => {
    const now = document.querySelector(data.chart);
    if (!now?.on || now === chart) return;
    chart = now;
    chart.on("plotly_hover", over);
    chart.on("plotly_unhover", away);
  };
  const watch = setInterval(attach, 300);
  attach();
  return () => {
    clearInterval(watch);
    clearTimeout(rest);
    chart?.removeListener?.("plotly_hover", over);
    chart?.removeListener?.("plotly_unhover", away);
  };
}
