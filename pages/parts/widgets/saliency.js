// A text with underlined words, or a picture with a heatmap. See saliency.py.
const THICKEST_PX = 7
const element = (name, parent, className = "") => {
  const child = parent.appendChild(document.createElement(name))
  child.className = className
  return child
}

function drawText(root, data) {
  const line = element("p", root)
  for (const word of data.words) {
    const bare = word.text.trimEnd()
    const span = element("span", line, "word")
    span.textContent = bare
    if (word.share) {
      span.style.borderBottomWidth = Math.max(1, Math.round(THICKEST_PX * Math.abs(word.share))) + "px"
      span.style.borderBottomStyle = word.share > 0 ? "solid" : "dashed"
      span.style.borderBottomColor = word.share > 0 ? data.for : data.against
      span.title = word.says
    }
    line.append(word.text.slice(bare.length))
  }
}

function drawImage(parent, data, alt) {
  const image = element("img", parent)
  image.alt = alt
  image.onload = () => image.classList.toggle("small", image.naturalWidth < 64)
  image.src = data.picture
  return image
}

function drawHeatmap(root, data) {
  const pair = element("div", root, "pair")
  const plain = element("figure", pair)
  drawImage(plain, data, "The example as it is.")
  element("figcaption", plain).textContent = "The example"
  const figure = element("figure", pair)
  const over = element("div", figure, "over")
  drawImage(over, data, data.alt)
  const rows = data.change, height = rows.length, width = rows[0].length
  const most = Math.max(data.least, ...rows.flat().map(Math.abs))
  const cells = document.createElement("canvas")
  cells.width = width
  cells.height = height
  const small = cells.getContext("2d")
  const canvas = element("canvas", over)
  canvas.setAttribute("aria-hidden", "true")
  canvas.width = width * 40
  canvas.height = height * 40
  const large = canvas.getContext("2d")
  large.strokeStyle = data.against
  large.lineWidth = 4
  let against = false
  rows.forEach((row, y) => row.forEach((change, x) => {
    small.globalAlpha = change >= data.least ? 0.75 * change / most : 0
    small.fillStyle = data.for
    small.fillRect(x, y, 1, 1)
    if (-change < Math.max(data.least, most / 4)) return
    against = true
    large.save()
    large.beginPath()
    large.rect(40 * x, 40 * y, 40, 40)
    large.clip()
    large.beginPath()
    for (let at = -40; at < 40; at += 13) {
      large.moveTo(40 * x + at, 40 * y + 40)
      large.lineTo(40 * x + at + 40, 40 * y)
    }
    large.stroke()
    large.restore()
  }))
  large.globalCompositeOperation = "destination-over"
  large.drawImage(cells, 0, 0, canvas.width, canvas.height)
  const top = Math.max(...rows.flat())
  if (top >= data.least) {
    const y = rows.findIndex(row => row.includes(top)), x = rows[y].indexOf(top)
    const frame = element("div", over, "frame")
    frame.style.left = `${100 * x / width}%`
    frame.style.top = `${100 * y / height}%`
    frame.style.width = `${100 / width}%`
    frame.style.height = `${100 / height}%`
  }
  element("figcaption", figure).textContent =
    "Orange: places that the answer rests on; framed: the one that counts most." +
    (against ? " Blue stripes: places that speak against it." : "")
}

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".rests")
  root.replaceChildren()
  data.words ? drawText(root, data) : drawHeatmap(root, data)
}
