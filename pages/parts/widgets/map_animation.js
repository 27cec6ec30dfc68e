// The map of examples over a run: marks glide from evaluation to evaluation. See map_animation.py.
const states = new WeakMap()  // parentElement -> { stop, chosen, timer }: survives a rerun
const STEP_MS = 650
const NS = "http://www.w3.org/2000/svg"

// Symbols in a box from -1 to 1, a polygon's first corner at the top; the same as on the live map.
const regular = (count, turn = 0, inner = 1) =>
  "M" + Array.from({ length: count }, (_, n) => {
    const angle = 2 * Math.PI * n / count + turn, size = n % 2 ? inner : 1
    return `${(size * Math.sin(angle)).toFixed(3)},${(-size * Math.cos(angle)).toFixed(3)}`
  }).join("L") + "Z"
const CROSS = "M-.35,-1H.35V-.35H1V.35H.35V1H-.35V.35H-1V-.35H-.35Z"
const SHAPES = {
  circle: "M0,-.9A.9,.9 0 1 1 0,.9A.9,.9 0 1 1 0,-.9Z", square: regular(4, Math.PI / 4),
  diamond: regular(4), cross: CROSS, x: CROSS, "triangle-up": regular(3),
  star: regular(10, 0, .42), hexagon: regular(6), "triangle-down": regular(3, Math.PI),
  pentagon: regular(5),
}

function element(name, parent, className = "", text = "") {
  const child = document.createElement(name)
  if (className) child.className = className
  if (text) child.textContent = text
  parent.append(child)
  return child
}

function symbolIcon({ symbol, colour }, parent) {
  const svg = document.createElementNS(NS, "svg"), path = document.createElementNS(NS, "path")
  svg.setAttribute("viewBox", "-1.1 -1.1 2.2 2.2")
  svg.setAttribute("aria-hidden", "true")
  svg.style.color = colour
  path.setAttribute("d", SHAPES[symbol])
  if (symbol === "x") path.setAttribute("transform", "rotate(45)")
  svg.append(path)
  parent.append(svg)
  return svg
}

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".film")
  const state = states.get(parentElement) ?? { stop: 0, chosen: null, timer: 0 }
  states.set(parentElement, state)
  const last = data.stops.length - 1
  state.stop = Math.min(state.stop, last)
  clearInterval(state.timer)
  root.replaceChildren()
  root.classList.toggle("several", data.panels.length > 1)

  const maps = element("div", root, "maps")
  const panels = data.panels.map(panel => {
    const box = element("div", maps, "panel")
    box.style.borderTopColor = panel.colour
    if (data.panels.length > 1) element("strong", box, "", panel.title)
    const status = element("div", box, "status"), map = element("div", box, "map")
    map.setAttribute("role", "img")
    const marks = panel.labels.map((label, number) => {
      const mark = symbolIcon(data.classes[label], map)
      mark.classList.add("mark")
      mark.dataset.example = panel.exampleIds[number]
      return mark
    })
    return { panel, status, map, marks }
  })

  const controls = element("div", root, "controls")
  const play = element("button", controls)
  play.type = "button"
  const slider = element("input", controls)
  Object.assign(slider, { type: "range", min: 0, max: last, step: 1, value: state.stop })
  slider.setAttribute("aria-label", "How far the training is")
  const position = element("output", controls)

  const legend = element("ul", root, "legend")
  for (const number of data.legend) {
    const item = element("li", legend)
    symbolIcon(data.classes[number], item)
    item.append(data.classes[number].name)
  }
  if (data.hiddenClasses) element("li", legend, "", `and ${data.hiddenClasses} more`)

  const details = element("div", root, "about")
  const steps = element("div", details, "steps")
  const ids = [...new Set(data.panels.flatMap(panel => panel.exampleIds))]
  for (const [label, text, step] of [["Example before", "‹", -1], ["Next example", "›", 1]]) {
    const button = element("button", steps, "", text)
    button.type = "button"
    button.setAttribute("aria-label", label)
    button.onclick = () => {
      const now = ids.indexOf(state.chosen)
      choose(ids[now < 0 ? 0 : (now + step + ids.length) % ids.length])
    }
  }
  const picture = element("img", details)
  picture.alt = ""  // the text beside it says what it is
  const words = element("div", details, "words")
  words.setAttribute("aria-live", "polite")

  function describe() {
    const shown = data.examples[state.chosen]
    const isPicture = shown?.startsWith("data:image/")
    picture.hidden = !isPicture
    if (isPicture && picture.src !== shown) picture.src = shown
    words.replaceChildren()
    if (state.chosen === null) {
      words.textContent = "Point at a mark, tap it, or step through the examples here."
      return
    }
    if (shown && !isPicture) element("div", words, "", `“${shown}”`)
    for (const { panel } of panels) {
      const number = panel.exampleIds.indexOf(state.chosen)
      if (number < 0) continue
      const label = panel.labels[number]
      const prediction = panel.frames[panel.frameAtStop[state.stop]].predictions[number]
      const right = label === prediction
      const prefix = panels.length > 1 ? `${panel.title}: ` : ""
      if (!words.querySelector("strong"))
        element("strong", words, "", `It is: ${data.classes[label].name}`)
      element("div", words, "", `${prefix}${right ? "✓ right now" : `✗ now taken for ${data.classes[prediction].name}`}`)
    }
  }

  function choose(id) {
    state.chosen = id
    for (const { marks } of panels)
      for (const mark of marks) mark.classList.toggle("chosen", mark.dataset.example === String(id))
    describe()
  }

  function draw() {
    slider.value = state.stop
    position.textContent = data.stops[state.stop]
    for (const { panel, status, map, marks } of panels) {
      const frame = panel.frames[panel.frameAtStop[state.stop]], points = panel.maps[frame.map]
      status.textContent = frame.text
      map.setAttribute("aria-label", `${panel.alt} ${frame.text}.`)
      marks.forEach((mark, number) => {
        mark.style.left = `${100 * points[number][0]}%`
        mark.style.top = `${100 * (1 - points[number][1])}%`
        mark.classList.toggle("wrong", frame.predictions[number] !== panel.labels[number])
      })
    }
    slider.setAttribute("aria-valuetext",
      [data.stops[state.stop], ...panels.map(({ status }) => status.textContent)].join("; "))
    describe()
  }

  function setPlaying(on) {
    clearInterval(state.timer)
    state.timer = on ? setInterval(() => {
      state.stop += 1
      draw()
      if (state.stop >= last) setPlaying(false)
    }, STEP_MS) : 0
    play.textContent = on ? "❚❚ Pause" : "▶ Play"
    words.setAttribute("aria-live", on ? "off" : "polite")
  }

  play.onclick = () => {
    if (state.timer) return setPlaying(false)
    if (state.stop >= last) { state.stop = 0; draw() }
    setPlaying(true)
  }
  slider.oninput = () => { setPlaying(false); state.stop = Number(slider.value); draw() }
  const chooseMark = event => {
    const mark = event.target.closest?.(".mark")
    if (mark) choose(Number(mark.dataset.example))
  }
  maps.onpointerover = maps.onclick = chooseMark
  setPlaying(false)
  draw()
  choose(state.chosen)
  return () => clearInterval(state.timer)
}
