// A text with its words underlined, or a picture with heat over it.
const THICKEST_PX = 7
const made = (name, inside, look = "") => {
  const part = inside.appendChild(document.createElement(name))
  part.className = look
  return part
}

function text(place, data) {
  const line = made("p", place)
  for (const word of data.words) {
    const bare = word.text.trimEnd()
    const span = made("span", line, "word")
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

function drawn(inside, data, alt) {
  const image = made("img", inside)
  image.alt = alt
  image.onload = () => image.classList.toggle("small", image.naturalWidth < 64)
  image.src = data.picture
  return image
}

function picture(place, data) {
  const pair = made("div", place, "pair")
  const plain = made("figure", pair)
  drawn(plain, data, "The example as it is.")
  made("figcaption", plain).textContent = "The example"
  const figure = made("figure", pair)
  const over = made("div", figure, "over")
  drawn(over, data, data.alt)
  const rows = data.change, height = rows.length, width = rows[0].length
  const most = Math.max(data.least, ...rows.flat().map(Math.abs))
  const cells = document.createElement("canvas")
  cells.width = width
  cells.height = height
  const small = cells.getContext("2d")
  const canvas = made("canvas", over)
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
    const frame = made("div", over, "frame")
    frame.style.left = `${100 * x / width}%`
    frame.style.top = `${100 * y / height}%`
    frame.style.width = `${100 / width}%`
    frame.style.height = `${100 / height}%`
  }
  made("figcaption", figure).textContent =
    "Orange: places that the answer rests on; framed: the one that counts most." +
    (against ? " Blue stripes: places that speak against it." : "")
}

export default function ({ data, parentElement }) {
  const place = parentElement.querySelector(".rests")
  place.replaceChildren()
  data.words ? text(place, data) : picture(place, data)
}
