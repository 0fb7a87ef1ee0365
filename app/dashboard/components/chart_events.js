// Reports what the mouse does on a Plotly chart: the sample that it rests on, the sample that it clicks, and the
// outlines that are drawn on the chart. Which of them is reported says data.events. The sample id is customdata.
export default function (component) {
  const { data, setStateValue, setTriggerValue } = component;
  const REST = 120; // milliseconds
  let chart = null, rest = 0, under = null, shown = null;
  const over = (event) => {
    under = event.points?.[0]?.customdata;
    clearTimeout(rest);
    if (!Number.isInteger(under) || under === shown || !data.events.includes("sample")) return;
    rest = setTimeout(() => setStateValue("sample", (shown = under)), REST);
  };
  const away = () => {
    under = null;
    clearTimeout(rest);
  };
  // While shapes are drawn, Plotly reports no clicks.
  const click = () => {
    if (Number.isInteger(under)) setTriggerValue("clicked", under);
  };
  // As Streamlit reports a selection, without its points: corners of lassos, and two opposite corners of boxes.
  const draw = (event) => {
    const shapes = event?.shapes ?? [];
    if (!shapes.length) return;
    const lasso = shapes.filter((one) => one.type === "path").map(({ path }) => {
      const corners = path.replace("M", "").replace("Z", "").split("L").map((corner) => corner.split(",").map(Number));
      return { x: corners.map((corner) => corner[0]), y: corners.map((corner) => corner[1]) };
    });
    const box = shapes.filter((one) => one.type === "rect").map((one) => ({ x: [one.x0, one.x1], y: [one.y0, one.y1] }));
    setTriggerValue("outlined", { lasso, box });
  };
  // The chart is drawn after this component, and anew when a selection changes.
  const attach = () => {
    const now = document.querySelector(data.chart);
    if (!now?.on || now === chart) return;
    chart = now;
    chart.on("plotly_hover", over);
    chart.on("plotly_unhover", away);
    if (data.events.includes("clicked")) chart.addEventListener("click", click);
    if (data.events.includes("outlined")) chart.on("plotly_relayout", draw);
  };
  const watch = setInterval(attach, 100);
  attach();
  return () => {
    clearInterval(watch);
    clearTimeout(rest);
    chart?.removeListener?.("plotly_hover", over);
    chart?.removeListener?.("plotly_unhover", away);
    chart?.removeListener?.("plotly_relayout", draw);
    chart?.removeEventListener("click", click);
  };
}
