// Streamlit keeps the scroll position if only the query changes: after pressing Start, below the
// settings, a phone would show the middle of the run.
let last = null  // the previous page; null: first load, and a reload keeps its scroll position

function toTop(place) {
  if (last !== null && place !== last)
    document.querySelector("[data-testid=stMain]")?.scrollTo({ top: 0, behavior: "instant" })
  last = place
}

// Streamlit appends a popover's body to the end of the document, so Tab would reach it last. Move the
// focus into it when it opens, and from its ends back to the button.
const BUTTON = "[data-testid=stPopoverButton]", FOLDED_OUT = "[data-testid=stPopoverBody]"
const STOPS = "button, a[href], input, select, textarea, [tabindex='0']"
const OPENS_MS = 50, TRIES = 20
let opener = null

function goIn(event) {
  const button = event.target.closest?.(BUTTON)
  if (!button || !["Enter", " "].includes(event.key) || document.querySelector(FOLDED_OUT)) return
  opener = button
  let tries = TRIES
  const timer = setInterval(() => {
    const inside = document.querySelector(FOLDED_OUT)
    if (inside || !--tries) clearInterval(timer)
    if (!inside) return
    inside.tabIndex = -1  // the body, not its first button, so that the text above is read, too
    inside.focus({ focusVisible: true })
  }, OPENS_MS)
}

function goOut(event) {
  const inside = event.target.closest?.(FOLDED_OUT)
  if (!inside || !opener?.isConnected) return
  const stops = [...inside.querySelectorAll(STOPS)].filter(one => !one.disabled && one.offsetParent)
  const end = event.shiftKey ? inside : stops.at(-1) ?? inside
  if (event.key === "Escape") opener.focus({ focusVisible: true })
  else if (event.key === "Tab" && event.target === end) {
    event.preventDefault()
    opener.focus({ focusVisible: true })
  }
}

export default function ({ data }) {
  toTop(data.place)
  const pressed = event => { goIn(event); goOut(event) }
  document.addEventListener("keydown", pressed)
  return () => document.removeEventListener("keydown", pressed)
}
