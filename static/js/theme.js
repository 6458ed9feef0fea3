// Runs before the first paint, so that a page chosen dark never flashes white.
// The choice is "light" or "dark"; without one the system decides.
(() => {
  let choice = null;
  try {
    choice = localStorage.getItem("theme");
  } catch {
    // Storage is switched off: follow the system.
  }
  if (choice === "light" || choice === "dark") document.documentElement.dataset.theme = choice;
})();
