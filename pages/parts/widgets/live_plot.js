// One persistent <div> per chart; Plotly.react on every update. See live_plot.py.
const charts = new WeakMap()  // parentElement -> { observer, clicked }
let library                   // one <script> per tab, reused across pages

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

// Text on heatmap cells takes the page's colour: Plotly chooses one as if the cells were opaque, which
// is unreadable on faint cells in the dark theme.
function worded(traces, root) {
  const color = getComputedStyle(root).getPropertyValue("--st-text-color").trim()
  return traces.map(one => one.type === "heatmap" ? { ...one, textfont: { color, ...one.textfont } } : one)
}

// Use the theme's colours and fonts, so that a figure fits light and dark.
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
    words.className = ""  // show the description in place of the chart
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
