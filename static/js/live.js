// Pieces that a socket replaces: what the reader has opened stays open, and focus stays where it is.

const summaryText = (details) => details.querySelector("summary")?.textContent.trim();
const twin = (piece, details) =>
  [...piece.querySelectorAll("details")].find((one) => summaryText(one) === summaryText(details));

let focused = null;

document.addEventListener("htmx:oobBeforeSwap", (event) => {
  const { target, fragment } = event.detail;
  target.querySelectorAll("details[open]").forEach((details) => {
    const next = twin(fragment, details);
    if (next) next.open = true;
  });
  const summary = document.activeElement?.closest("summary");
  focused = summary && target.contains(summary) ? { id: target.id, details: summary.parentElement } : null;
});

document.addEventListener("htmx:oobAfterSwap", () => {
  const piece = focused && document.getElementById(focused.id);
  if (piece) twin(piece, focused.details)?.querySelector("summary").focus({ preventScroll: true });
  focused = null;
});
