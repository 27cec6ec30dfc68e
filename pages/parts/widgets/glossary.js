// The tooltip of glossary.py: opens on hover, focus and tap; closes on Escape, a tap elsewhere or
// leaving it, and the pointer may rest on it (WCAG 1.4.13).
const WORD = 'a[href^="#word-"]'
const LEAVE_MS = 200  // time to move from the term to its tooltip

export default function ({ parentElement }) {
  const bubble = Object.assign(document.createElement("div"),
    { className: "thaw-word", id: "thaw-word", role: "tooltip", hidden: true })
  parentElement.append(bubble)
  let shown = null, leaving = 0

  function hide() {
    clearTimeout(leaving)
    if (!shown) return
    shown.title = bubble.textContent
    shown.removeAttribute("aria-describedby")
    shown = null
    bubble.hidden = true
  }

  function show(word) {
    clearTimeout(leaving)
    if (word === shown) return
    hide()
    bubble.textContent = word.title
    word.removeAttribute("title")  // else the browser would show its own tooltip, too
    word.setAttribute("aria-describedby", bubble.id)
    shown = word
    bubble.hidden = false
    const at = word.getClientRects()[0], own = bubble.getBoundingClientRect()
    const left = Math.max(12, Math.min(at.left, innerWidth - own.width - 12))
    const above = at.top - own.height - 8
    bubble.style.left = `${left}px`
    bubble.style.top = `${above > 8 ? above : at.bottom + 8}px`
  }

  const wordOf = event => event.target.closest?.(WORD)
  const listeners = {
    pointerover: event => {
      if (event.pointerType === "touch") return  // a tap is a click
      const word = wordOf(event)
      if (word) show(word)
      else if (event.target === bubble) clearTimeout(leaving)
      else if (shown && document.activeElement !== shown) {
        clearTimeout(leaving)
        leaving = setTimeout(hide, LEAVE_MS)
      }
    },
    focusin: event => { const word = wordOf(event); word ? show(word) : hide() },
    focusout: hide,
    click: event => {
      const word = wordOf(event)
      if (word) { event.preventDefault(); show(word) }
      else if (event.target !== bubble) hide()
    },
    keydown: event => { if (event.key === "Escape") hide() },
  }
  for (const [name, listener] of Object.entries(listeners)) document.addEventListener(name, listener)
  document.addEventListener("scroll", hide, { capture: true, passive: true })
  return () => {
    hide()
    for (const [name, listener] of Object.entries(listeners))
      document.removeEventListener(name, listener)
    document.removeEventListener("scroll", hide, { capture: true })
    bubble.remove()
  }
}
