// Cards of examples, updated in place: a new <img> would flash.
function part(card, name, tag = "div") {
  let found = card.querySelector("." + name)
  if (!found) {
    found = document.createElement(tag)
    found.className = name
    card.append(found)
  }
  return found
}

export default function ({ data, parentElement }) {
  const list = parentElement.querySelector(".cards")
  const pictures = data.cards.some(card => card.example.startsWith("data:image/"))
  list.className = pictures ? "cards" : "cards wide"
  while (list.children.length > data.cards.length) list.lastChild.remove()
  data.cards.forEach((given, number) => {
    const card = list.children[number] ?? list.appendChild(document.createElement("li"))
    card.className = "card"
    if (pictures) {
      const image = part(card, "picture", "img")
      if (image.src !== given.example) image.src = given.example
      image.alt = ""  // its label stands below
    } else {
      part(card, "text").textContent = given.example
    }
    part(card, "label").textContent = given.label
    if (given.note) part(card, "note").textContent = given.note
    else card.querySelector(".note")?.remove()
    if (given.answer === undefined) return
    const right = given.answer === given.label
    if (given.sure === undefined) {
      part(card, "answer").textContent = right ? "✓ right" : `✗ says ${given.answer}`
      card.querySelector(".track")?.remove()
      return
    }
    const percent = Math.round(100 * given.sure)
    part(card, "answer").textContent =
      given.answer === "" ? "no answer yet"
        : right ? `✓ ${percent} % sure` : `✗ says ${given.answer}, ${percent} %`
    const track = part(card, "track")
    const bar = part(track, "bar")
    bar.style.width = percent + "%"
    bar.style.background = right ? data.colour : "repeating-linear-gradient(45deg,#7C7F87 0 4px,transparent 4px 7px)"
  })
}
