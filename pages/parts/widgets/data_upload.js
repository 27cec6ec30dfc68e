// Sends files and camera pictures to the app's upload route and then their names to Python.
// Visitors' text is inserted as text or value, never as markup.
const AT_ONCE = 4          // parallel uploads
const SHOT_EVERY_MS = 250  // while the shutter is held
const SHOT_PX = 480        // short side of a shot: more than any backbone needs
const THUMBS = 12          // thumbnails per class
const forms = new Map()  // "mode draft" -> Form, as long as the tab is open

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties)
  made.append(...children)
  return made
}

function size(bytes) {
  return bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${Math.round(bytes / 1e6)} MB`
}

// Sends one file and resolves to its name on the server. Retries once if the connection breaks.
function send(draft, file, onProgress, retry = true) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest()
    request.open("PUT", new URL(`upload/${draft}`, document.baseURI))
    request.upload.onprogress = event => onProgress(event.loaded)
    request.onerror = () => retry
      ? resolve(send(draft, file, onProgress, false))
      : reject(Error("The connection to Thaw broke off. Add the files again."))
    request.onload = () => {
      let answer = {}
      try { answer = JSON.parse(request.responseText) } catch { /* reported below */ }
      if (request.status === 200) return resolve(answer.file)
      reject(Error(answer.error ?? `Thaw did not take the file (${request.status}).`))
    }
    request.send(file)
  })
}

// Returns [file, path] of each dropped file, including those in folders.
async function readDropped(transfer) {
  const entries = [...transfer.items].map(item => item.webkitGetAsEntry?.()).filter(Boolean)
  if (!entries.length) return [...transfer.files].map(file => [file, file.name])
  const files = []
  async function open(entry, path) {
    if (entry.isFile) {
      const file = await new Promise((resolve, reject) => entry.file(resolve, reject))
      files.push([file, path + file.name])
      return
    }
    const reader = entry.createReader()
    for (;;) {  // readEntries returns at most a hundred entries
      const batch = await new Promise((resolve, reject) => reader.readEntries(resolve, reject))
      if (!batch.length) return
      for (const inner of batch) await open(inner, `${path}${entry.name}/`)
    }
  }
  for (const entry of entries) await open(entry, "")
  return files
}

const readChosen = input => [...input.files].map(file => [file, file.webkitRelativePath || file.name])

class Form {
  constructor(root, data) {
    this.root = root
    this.draft = data.draft
    this.mode = data.mode
    this.queue = []
    this.busy = 0
    this.sent = this.total = 0       // bytes
    this.done = this.count = 0       // files
    this.files = []                  // {id, parts, label} of finished uploads
    this.stopped = false
    this.status = element("p", { className: "status", role: "status" })
    this.bar = element("progress", { max: 1, value: 0, hidden: true, ariaLabel: "Sent so far" })
    root.replaceChildren()
    if (this.mode === "files") this.drawDrop()
    else this.drawClasses()
  }

  say(text, bad = false) {
    this.status.textContent = text
    this.status.className = bad ? "status bad" : "status"
  }

  add(pairs, label = null, arrived = () => {}) {
    for (const [file, path] of pairs) {
      this.queue.push({ file, path, label, arrived })
      this.count += 1
      this.total += file.size
    }
    this.bar.hidden = false
    this.next()
  }

  next() {
    while (this.busy < AT_ONCE && this.queue.length && !this.stopped) this.upload(this.queue.shift())
    if (!this.busy && !this.queue.length && !this.stopped) this.whenAllSent?.()
  }

  async upload({ file, path, label, arrived }) {
    this.busy += 1
    let before = 0
    const onProgress = loaded => {
      this.sent += loaded - before
      before = loaded
      this.bar.value = this.total ? this.sent / this.total : 0
      const part = this.count > 1 ? `${this.done} of ${this.count} files` : file.name
      this.say(`Sending ${part}: ${size(this.sent)} of ${size(this.total)}`)
    }
    try {
      const id = await send(this.draft, file, onProgress)
      onProgress(file.size)
      this.done += 1
      const entry = { id, parts: path.split("/").filter(Boolean), label }
      this.files.push(entry)
      arrived(entry, file)
    } catch (error) {
      this.stopped = true
      this.queue = []
      this.say(error.message, true)
    }
    this.busy -= 1
    this.next()
  }

  picker(text, input, take, className = "") {
    input.type = "file"
    input.hidden = true
    input.onchange = () => { if (input.files.length) take(readChosen(input)); input.value = "" }
    return element("span", {}, element("button",
      { type: "button", textContent: text, className, onclick: () => input.click() }), input)
  }

  droppable(target, take) {
    const on = over => event => { event.preventDefault(); target.classList.toggle("over", over) }
    target.ondragover = on(true)
    target.ondragleave = on(false)
    target.ondrop = async event => {
      on(false)(event)
      const pairs = await readDropped(event.dataTransfer)
      if (pairs.length) take(pairs)
    }
  }

  // --- one file or folder ---------------------------------------------------------------------

  drawDrop() {
    const take = pairs => {
      this.stopped = false
      this.files = []
      this.sent = this.total = this.done = this.count = 0
      const [file, path] = pairs[0]
      const top = path.split("/")[0]
      this.title = pairs.length === 1 ? file.name : path.includes("/") ? top : `${pairs.length} files`
      this.add(pairs)
    }
    this.whenAllSent = () => {
      if (!this.files.length) return
      this.say("All sent.")
      this.finish(this.files, this.title)
    }
    const folder = element("input")
    folder.webkitdirectory = true
    const several = element("input", { multiple: true })
    several.setAttribute("aria-label", "Files to add")
    folder.setAttribute("aria-label", "Folder to add")
    const drop = element("div", { className: "drop" },
      element("strong", { textContent: "Drop a zip, a table or a folder here" }),
      element("div", { className: "row" },
        this.picker("Choose a file", several, take, "primary"),
        this.picker("Choose a folder", folder, take)),
      element("small", { textContent:
        "Pictures: a folder for each class, zipped or not. Texts: CSV, TSV, Excel (.xlsx), JSON lines or "
        + "Parquet, with a column of texts and one of labels." }))
    this.droppable(drop, take)
    this.root.append(drop, this.bar, this.status)
  }

  // --- class by class -------------------------------------------------------------------------

  drawClasses() {
    this.classes = []
    this.cards = element("div", { className: "cards" })
    this.ready = element("button", { type: "button", className: "primary", disabled: true,
      onclick: () => this.finishClasses() })
    const more = element("button", { type: "button", textContent: "Add a class",
      onclick: () => this.addClass().name.focus() })
    this.root.append(this.cards, element("div", { className: "foot" }, more, this.ready),
      this.bar, this.status)
    this.addClass()
    this.addClass()
    this.whenAllSent = () => { this.bar.hidden = true; this.say(""); this.updateCount() }
    this.updateCount()
  }

  addClass() {
    const number = this.numbered = (this.numbered ?? 0) + 1  // never reused, even after a class was removed
    const made = { files: [], shots: 0 }
    const id = `class-${this.draft}-${number}`
    made.name = element("input", { type: "text", id, maxLength: 80, value: `Class ${number}`,
      oninput: () => this.updateCount() })
    made.words = element("small")
    made.thumbs = element("div", { className: "thumbs" })
    made.camera = element("div", { className: "camera", hidden: true })
    const take = pairs => {
      this.stopped = false  // an earlier failure does not block new files
      this.add(pairs.map(([file]) => [file, file.name]), made, addEntry)
    }
    const addEntry = (entry, file) => {
      made.files.push(entry)
      if (made.thumbs.children.length < THUMBS && file.type.startsWith("image/")) {
        const url = URL.createObjectURL(file)
        const thumb = element("button", { type: "button", title: "Take this picture out",
          onclick: () => {
            made.files = made.files.filter(other => other !== entry)
            thumb.remove()
            URL.revokeObjectURL(url)
            this.updateCount()
          } }, element("img", { src: url, alt: "" }))
        thumb.setAttribute("aria-label", `Take out picture ${file.name}`)
        made.thumbs.append(thumb)
      }
      this.updateCount()
    }
    const several = element("input", { multiple: true, accept: "image/*,.heic,.heif" })
    several.setAttribute("aria-label", `Pictures of class ${number}`)
    const camera = element("button", { type: "button", textContent: "Camera",
      onclick: () => this.toggleCamera(made, camera, take) })
    const out = element("button", { type: "button", textContent: "✕", title: "Remove this class",
      onclick: () => {
        this.closeCamera(made)
        this.classes = this.classes.filter(other => other !== made)
        made.card.remove()
        this.updateCount()
      } })
    out.setAttribute("aria-label", `Remove class ${number}`)
    made.card = element("div", { className: "card", role: "group" },
      element("label", { htmlFor: id, textContent: "Name of the class" }),
      element("div", { className: "head" }, made.name, out),
      element("div", { className: "row" }, this.picker("Add pictures", several, take), camera),
      made.camera, made.words, made.thumbs)
    made.card.setAttribute("aria-label", `Class ${number}`)
    this.droppable(made.card, take)
    this.classes.push(made)
    this.cards.append(made.card)
    this.updateCount()
    return made
  }

  updateCount() {
    const filled = this.classes.filter(one => one.files.length && one.name.value.trim())
    const all = filled.reduce((sum, one) => sum + one.files.length, 0)
    for (const one of this.classes) {
      const count = one.files.length
      one.words.textContent = count
        ? `${count} ${count === 1 ? "picture" : "pictures"}` + (count < 5 ? "; 10 or more teach better" : "")
        : "Drop pictures here, choose some, or take them with the camera."
    }
    this.ready.textContent = all ? `Use these ${all} pictures` : "Use these pictures"
    // Classes with the same name are one class.
    const names = new Set(filled.map(one => one.name.value.trim()))
    this.ready.disabled = names.size < 2 || this.busy > 0
  }

  async toggleCamera(made, button, take) {
    if (made.stream) return this.closeCamera(made)
    for (const other of this.classes) this.closeCamera(other)
    try {
      made.stream = await navigator.mediaDevices.getUserMedia(
        { video: { width: 640, height: 480, facingMode: "environment" } })
    } catch {
      return this.say("The camera could not be opened. Allow it for this page in the browser (it works "
        + "on this computer's own address and over https), or choose files instead.", true)
    }
    const video = element("video", { autoplay: true, muted: true, playsInline: true,
      srcObject: made.stream })
    const shoot = () => {
      if (!video.videoWidth) return
      const scale = SHOT_PX / Math.min(video.videoWidth, video.videoHeight)
      const canvas = element("canvas", { width: video.videoWidth * scale,
        height: video.videoHeight * scale })
      canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height)
      canvas.toBlob(blob => {
        made.shots += 1
        take([[new File([blob], `camera-${made.shots}.jpg`, { type: "image/jpeg" }), ""]])
      }, "image/jpeg", .9)
    }
    let timer = null
    const stop = () => { clearInterval(timer); timer = null }
    const shutter = element("button", { type: "button", className: "primary",
      textContent: "Take pictures (hold)",
      onpointerdown: () => { shoot(); stop(); timer = setInterval(shoot, SHOT_EVERY_MS) },
      onpointerup: stop, onpointerleave: stop, onpointercancel: stop,
      onkeydown: event => { if (event.key === "Enter" || event.key === " ") shoot() } })
    made.stop = stop
    made.camera.replaceChildren(video, element("div", { className: "row" }, shutter))
    made.camera.hidden = false
    button.textContent = "Close camera"
    made.cameraButton = button
  }

  closeCamera(made) {
    made.stop?.()
    made.stream?.getTracks().forEach(track => track.stop())
    made.stream = null
    made.camera.replaceChildren()
    made.camera.hidden = true
    if (made.cameraButton) made.cameraButton.textContent = "Camera"
  }

  finishClasses() {
    const names = this.classes.map(one => one.name.value.trim()).filter(Boolean)
    for (const one of this.classes) this.closeCamera(one)
    const files = this.classes.flatMap(one => one.files.map(
      file => ({ ...file, parts: [one.name.value.trim(), file.parts.at(-1)] }))
      .filter(file => file.parts[0]))
    this.finish(files, names.slice(0, 3).join(", ") + (names.length > 3 ? " …" : ""))
  }

  finish(files, title) {
    this.trigger({ title, files: files.map(({ id, parts }) => [id, parts]) })
  }

  // Moves the form to a new place: its files stay while another tab of the page is open.
  moveTo(root) {
    if (root === this.root) return
    root.replaceChildren(...this.root.childNodes)
    this.root = root
  }

  closeCameras() {
    for (const one of this.classes ?? []) this.closeCamera(one)
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  const name = `${data.mode} ${data.draft}`
  const root = parentElement.querySelector(".add")
  let form = forms.get(name)
  if (form) form.moveTo(root)
  else {
    for (const [other, old] of forms) {
      if (!other.endsWith(data.draft)) { old.closeCameras(); forms.delete(other) }  // its draft was imported
    }
    form = new Form(root, data)
    forms.set(name, form)
  }
  form.trigger = value => setTriggerValue("ready", value)
  return () => form.closeCameras()
}
