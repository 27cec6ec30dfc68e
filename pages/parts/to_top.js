let last = null  // where the visitor was; null: just come, and a reload keeps its place

export default function ({ data }) {
  if (last !== null && data.place !== last)
    document.querySelector("[data-testid=stMain]")?.scrollTo({ top: 0, behavior: "instant" })
  last = data.place
}
