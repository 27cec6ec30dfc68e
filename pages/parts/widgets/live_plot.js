// One persistent <div> a chart; Plotly.react on every update. See live_plot.py.
const charts = new WeakMap()  // parentElement -> { observer, clicked }
let library                   // one <script> a tab, kept across pages

function loadPlotly(path) {
  library ??= new Promise((resolve, reject) => {
    if (globalThis.Plotly?.react) return resolve(globalThis.Plotly)
    const script = document.createElement("script")
    script.src = new URL(path, document.baseURI).href
    script.onload = () => resolve(globalThis.Plotly)
    script.onerror = () => { library = undefined; reject(Error("plotly.js did not load")) }
    document.head.append(script)
  })
  return library
}

// Words on the fields of a heatmap in the page's colour: Plotly picks its own by fields that it takes for
// opaque, and in the dark those on faint ones could not be read.
function worded(traces, root) {
  const color = getComputedStyle(root).getPropertyValue("--st-text-color").trim()
  return traces.map(one => one.type === "heatmap" ? { ...one, textfont: { color, ...one.textfont } } : one)
}

// Colours and fonts of the page's theme, so that one figure fits light and dark.
function themed(layout, root) {
  const css = getComputedStyle(root)
  const value = name => css.getPropertyValue("--st-" + name).trim()
  const axis = {
    gridcolor: value("border-color"), zerolinecolor: value("border-color"),
    linecolor: value("border-color"),
  }
  const axes = Object.fromEntries(
    Object.keys(layout).filter(key => /^[xy]axis\d*$/.test(key))
      .map(key => [key, { ...axis, ...layout[key] }]))
  return {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", autosize: true,
    font: { color: value("text-color"), family: value("font"), size: 13 },
    hoverlabel: {
      bgcolor: value("secondary-background-color"), font: { color: value("text-color") },
    },
    xaxis: axis, yaxis: axis, ...layout, ...axes,
  }
}

export default async function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector("figure")
  const plot = root.querySelector(".thaw-plot")
  const words = root.querySelector("figcaption")
  plot.setAttribute("aria-label", data.alt)
  plot.classList.toggle("clickable", data.clickable)
  plot.style.height = data.figure.layout.height + "px"
  let Plotly
  try { Plotly = await loadPlotly(data.library) }
  catch {
    words.className = ""  // no longer hidden: the words stand in for the chart
    words.textContent = `The chart could not be drawn (plotly.js did not load). ${data.alt}`
    return
  }
  if (!plot.isConnected) return
  const options = { displayModeBar: false, displaylogo: false }
  await Plotly.react(plot, worded(data.figure.data, root), themed(data.figure.layout, root), options)
  let chart = charts.get(parentElement)
  if (!chart) {
    chart = { observer: new ResizeObserver(() => plot.offsetWidth && Plotly.Plots.resize(plot)) }
    chart.observer.observe(plot)
    plot.on("plotly_click", ({ points }) => chart.clicked?.(points[0].pointNumber))
    charts.set(parentElement, chart)
  }
  chart.clicked = data.clickable && (mark => setTriggerValue("clicked", mark))
  return () => {
    chart.observer.disconnect()
    charts.delete(parentElement)
    Plotly.purge(plot)
  }
}
