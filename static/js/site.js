// Small comforts on top of pages that work without them. Each part looks for its own attribute.

const root = document.documentElement;
// Acts on every match in a piece of the page, the piece itself included.
const each = (scope, selector, act) => {
  if (scope.matches?.(selector)) act(scope);
  scope.querySelectorAll(selector).forEach(act);
};

// [data-theme-switch]: system -> dark -> light -> system, remembered.
const themes = ["system", "dark", "light"];
function showTheme(button) {
  button.textContent = button.dataset[root.dataset.theme ?? "system"];
}
function turnTheme(button) {
  const next = themes[(themes.indexOf(root.dataset.theme ?? "system") + 1) % themes.length];
  if (next === "system") delete root.dataset.theme;
  else root.dataset.theme = next;
  try {
    if (next === "system") localStorage.removeItem("theme");
    else localStorage.setItem("theme", next);
  } catch {
    // Storage is switched off: the choice holds for this page.
  }
  showTheme(button);
}

// A form is sent once: its buttons rest until the next page, or until the reader comes back to this one.
// The browser reads the pressed button after this event, so it must not be disabled before.
document.addEventListener("submit", (event) => {
  const form = event.target;
  const byHtmx = form.matches("[hx-post], [hx-get], [hx-put], [hx-delete], [ws-send]");
  if (event.defaultPrevented || byHtmx || form.hasAttribute("data-no-lock")) return;
  setTimeout(() => {
    each(form, "button:not([type=button]), input[type=submit]", (button) => {
      button.disabled = true;
    });
    event.submitter?.setAttribute("aria-busy", "true");
    form.dataset.locked = "";
  });
});
window.addEventListener("pageshow", () => {
  each(document, "form[data-locked]", (form) => {
    delete form.dataset.locked;
    each(form, "button, input[type=submit]", (button) => {
      button.disabled = false;
      button.removeAttribute("aria-busy");
    });
  });
});

// input[type=file][data-max-bytes]: says at once that a file is too large, before it is sent.
// As the filter `mib` says it.
const mebibytes = (bytes) => `${(bytes / 2 ** 20).toFixed(bytes < 100 * 2 ** 20 ? 2 : 0)} MiB`;
function checkFile(input) {
  const limit = Number(input.dataset.maxBytes);
  const file = [...input.files].find((one) => one.size > limit);
  const problem = file
    ? `${file.name} is ${mebibytes(file.size)}; at most ${mebibytes(limit)} can be uploaded. Choose a smaller file or split it.`
    : "";
  let line = input.parentElement.querySelector(".errors[data-file-size]");
  if (!line) {
    line = document.createElement("ul");
    line.className = "errors";
    line.dataset.fileSize = "";
    line.setAttribute("role", "alert");
    input.after(line);
  }
  line.replaceChildren();
  line.hidden = !problem;
  if (problem) line.append(Object.assign(document.createElement("li"), { textContent: problem }));
  input.setCustomValidity(problem);
  input.toggleAttribute("aria-invalid", Boolean(problem));
}

// textarea[data-counter][maxlength]: how many characters are left.
function countCharacters(area) {
  let line = area.parentElement.querySelector(".field__counter");
  if (!line) {
    line = document.createElement("span");
    line.className = "field__counter";
    area.after(line);
  }
  line.textContent = `${area.value.length} / ${area.maxLength}`;
}

// form[data-ballot]: how many are approved and what they would cost together.
function sumBallot(form) {
  const approved = [...form.querySelectorAll("input[data-cost]:checked")];
  const cost = approved.reduce((sum, input) => sum + Number(input.dataset.cost), 0);
  each(form, "[data-ballot-count]", (place) => { place.textContent = approved.length; });
  each(form, "[data-ballot-cost]", (place) => { place.textContent = mebibytes(cost); });
  each(form, "progress[data-ballot-budget]", (bar) => { bar.value = Math.min(cost, bar.max); });
}

// time[data-relative]: "3 minutes ago", with the full date on hover.
const relative = new Intl.RelativeTimeFormat(root.lang || "en", { numeric: "auto" });
const units = [["day", 86400], ["hour", 3600], ["minute", 60]];
function tellTime(time) {
  const seconds = (new Date(time.dateTime) - Date.now()) / 1000;
  if (Number.isNaN(seconds) || Math.abs(seconds) > 30 * 86400) return;
  const [unit, size] = units.find(([, length]) => Math.abs(seconds) >= length) ?? ["second", 1];
  if (!time.title) time.title = time.textContent.trim();
  time.textContent = relative.format(Math.trunc(seconds / size), unit);
}

// [data-autoscroll]: a log that stays at its end while the reader is there.
function followEnd(log) {
  let atEnd = true;
  log.addEventListener("scroll", () => {
    atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 48;
  });
  const follow = () => { if (atEnd) log.scrollTop = log.scrollHeight; };
  new MutationObserver(follow).observe(log, { childList: true, subtree: true, characterData: true });
  follow();
}

// button[data-copy="#id"]: puts that element's text on the clipboard.
function offerCopy(button) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.querySelector(button.dataset.copy).textContent.trim());
    button.textContent = button.dataset.copied ?? "Copied";
  });
}

function enhance(scope) {
  each(scope, "[data-theme-switch]", (button) => {
    button.hidden = false;
    showTheme(button);
    button.addEventListener("click", () => turnTheme(button));
  });
  each(scope, "textarea[data-counter][maxlength]", countCharacters);
  each(scope, "form[data-ballot]", sumBallot);
  each(scope, "time[data-relative]", tellTime);
  each(scope, "[data-autoscroll]", followEnd);
  each(scope, "button[data-copy]", offerCopy);
}

document.addEventListener("input", (event) => {
  if (event.target.matches("textarea[data-counter][maxlength]")) countCharacters(event.target);
});
document.addEventListener("change", (event) => {
  if (event.target.matches("input[type=file][data-max-bytes]")) checkFile(event.target);
  const ballot = event.target.closest("form[data-ballot]");
  if (ballot) sumBallot(ballot);
});
// Menus close on Escape and on a press elsewhere.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  each(document, "details.menu[open]", (menu) => {
    menu.open = false;
    menu.querySelector("summary").focus();
  });
});
document.addEventListener("click", (event) => {
  each(document, "details.menu[open]", (menu) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
});
// htmx:load fires for every piece that htmx puts into the page, the first page included.
document.addEventListener("htmx:load", (event) => {
  if (event.target !== document.body) enhance(event.target);
});
setInterval(() => each(document, "time[data-relative]", tellTime), 30000);
enhance(document);
