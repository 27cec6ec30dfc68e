// The map of examples over a run: marks that glide from look to look. See film.py.
const states = new WeakMap()  // parentElement -> { stop, chosen, timer }: kept when drawn anew
const STEP_MS = 650
const NS = "http://www.w3.org/2000/svg"

// Marks in a box from -1 to 1: corners of a polygon, its first one up. The same as the live map's.
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
  const made = document.createElement(name)
  if (className) made.className = className
  if (text) made.textContent = text
  parent.append(made)
  return made
}

function sign({ symbol, colour }, parent) {
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
  const panels = data.panels.map(given => {
    const box = element("div", maps, "panel")
    box.style.borderTopColor = given.colour
    if (data.panels.length > 1) element("strong", box, "", given.title)
    const told = element("div", box, "told"), map = element("div", box, "map")
    map.setAttribute("role", "img")
    const marks = given.labels.map((label, number) => {
      const mark = sign(data.classes[label], map)
      mark.classList.add("mark")
      mark.dataset.item = given.items[number]
      return mark
    })
    return { given, told, map, marks }
  })

  const controls = element("div", root, "controls")
  const play = element("button", controls)
  play.type = "button"
  const slider = element("input", controls)
  Object.assign(slider, { type: "range", min: 0, max: last, step: 1, value: state.stop })
  slider.setAttribute("aria-label", "How far the training is")
  const told = element("output", controls)

  const legend = element("ul", root, "legend")
  for (const number of data.legend) {
    const item = element("li", legend)
    sign(data.classes[number], item)
    item.append(data.classes[number].name)
  }
  if (data.unnamed) element("li", legend, "", `and ${data.unnamed} more`)

  const about = element("div", root, "about")
  const steps = element("div", about, "steps")
  const items = [...new Set(data.panels.flatMap(panel => panel.items))]
  for (const [label, sign, way] of [["Example before", "‹", -1], ["Next example", "›", 1]]) {
    const button = element("button", steps, "", sign)
    button.type = "button"
    button.setAttribute("aria-label", label)
    button.onclick = () => {
      const now = items.indexOf(state.chosen)
      choose(items[now < 0 ? 0 : (now + way + items.length) % items.length])
    }
  }
  const picture = element("img", about)
  picture.alt = ""  // what it is stands beside it
  const words = element("div", about, "words")
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
    for (const { given } of panels) {
      const number = given.items.indexOf(state.chosen)
      if (number < 0) continue
      const label = given.labels[number]
      const answer = given.frames[given.at[state.stop]].answers[number]
      const right = label === answer
      const who = panels.length > 1 ? `${given.title}: ` : ""
      if (!words.querySelector("strong"))
        element("strong", words, "", `It is: ${data.classes[label].name}`)
      element("div", words, "", `${who}${right ? "✓ right now" : `✗ now taken for ${data.classes[answer].name}`}`)
    }
  }

  function choose(item) {
    state.chosen = item
    for (const { marks } of panels)
      for (const mark of marks) mark.classList.toggle("chosen", mark.dataset.item === String(item))
    describe()
  }

  function draw() {
    slider.value = state.stop
    told.textContent = data.stops[state.stop]
    for (const { given, told, map, marks } of panels) {
      const frame = given.frames[given.at[state.stop]], places = given.places[frame.place]
      told.textContent = frame.words
      map.setAttribute("aria-label", `${given.alt} ${frame.words}.`)
      marks.forEach((mark, number) => {
        mark.style.left = `${100 * places[number][0]}%`
        mark.style.top = `${100 * (1 - places[number][1])}%`
        mark.classList.toggle("wrong", frame.answers[number] !== given.labels[number])
      })
    }
    slider.setAttribute("aria-valuetext",
      [data.stops[state.stop], ...panels.map(panel => panel.told.textContent)].join("; "))
    describe()
  }

  function playing(on) {
    clearInterval(state.timer)
    state.timer = on ? setInterval(() => {
      state.stop += 1
      draw()
      if (state.stop >= last) playing(false)
    }, STEP_MS) : 0
    play.textContent = on ? "❚❚ Pause" : "▶ Play"
    words.setAttribute("aria-live", on ? "off" : "polite")
  }

  play.onclick = () => {
    if (state.timer) return playing(false)
    if (state.stop >= last) { state.stop = 0; draw() }
    playing(true)
  }
  slider.oninput = () => { playing(false); state.stop = Number(slider.value); draw() }
  const pointed = event => {
    const mark = event.target.closest?.(".mark")
    if (mark) choose(Number(mark.dataset.item))
  }
  maps.onpointerover = maps.onclick = pointed
  playing(false)
  draw()
  choose(state.chosen)
  return () => clearInterval(state.timer)
}
