// Cards of examples, updated in place: a new <img> would flash.
function part(card, name, tag = "div") {
  let child = card.querySelector("." + name)
  if (!child) {
    child = document.createElement(tag)
    child.className = name
    card.append(child)
  }
  return child
}

export default function ({ data, parentElement }) {
  const list = parentElement.querySelector(".cards")
  const pictures = data.cards.some(card => card.example.startsWith("data:image/"))
  list.className = pictures ? "cards" : "cards wide"
  while (list.children.length > data.cards.length) list.lastChild.remove()
  data.cards.forEach((example, number) => {
    const card = list.children[number] ?? list.appendChild(document.createElement("li"))
    card.className = "card"
    if (pictures) {
      const image = part(card, "picture", "img")
      if (image.src !== example.example) image.src = example.example
      image.alt = ""  // its label stands below
    } else {
      part(card, "text").textContent = example.example
    }
    part(card, "label").textContent = example.label
    if (example.note) part(card, "note").textContent = example.note
    else card.querySelector(".note")?.remove()
    if (example.answer === undefined) return
    const right = example.answer === example.label
    if (example.sure === undefined) {
      part(card, "answer").textContent = right ? "✓ right" : `✗ says ${example.answer}`
      card.querySelector(".track")?.remove()
      return
    }
    const percent = Math.round(100 * example.sure)
    part(card, "answer").textContent =
      example.answer === "" ? "no answer yet"
        : right ? `✓ ${percent} % sure` : `✗ says ${example.answer}, ${percent} %`
    const track = part(card, "track")
    const bar = part(track, "bar")
    bar.style.width = percent + "%"
    bar.style.background = right ? data.colour : "repeating-linear-gradient(45deg,#7C7F87 0 4px,transparent 4px 7px)"
  })
}
