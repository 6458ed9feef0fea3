// The form of the talk page: Enter sends, and a question that was taken leaves the field.

const form = document.querySelector("form[data-talk]");
const field = form.querySelector("textarea");
form.querySelector("#talk-keys").hidden = false;

field.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  form.requestSubmit();
});

// A refused question stays where it was typed: only a taken one comes back as a turn of the talk.
document.addEventListener("htmx:oobAfterSwap", (event) => {
  if (event.detail.target.id !== "talk-log") return;
  document.querySelector("[data-talk-hint]")?.remove();
  field.value = "";
});

// What the reader unfolds in the log comes into sight. The event does not bubble.
document.querySelector("#talk-log").addEventListener(
  "toggle",
  (event) => { if (event.target.open) event.target.scrollIntoView({ block: "nearest" }); },
  true,
);
