// Streamlit keeps the place to which one has scrolled where only the address's query changes: on a phone
// who pressed Start, below the settings, would see the middle of the run.
let last = null  // where the visitor was; null: just come, and a reload keeps its place

function toTop(place) {
  if (last !== null && place !== last)
    document.querySelector("[data-testid=stMain]")?.scrollTo({ top: 0, behavior: "instant" })
  last = place
}

// What a popover's button folds out hangs at the end of the document, so Tab would come to it after all
// the rest of the page: the keyboard goes in with it, and from its ends back to the button.
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
    inside.tabIndex = -1  // itself, not its first button: what stands above that is read, too
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
