// [data-upload]: a file in parts instead of a form sent whole. It is started, sent part by part, and
// finished; what is here already is not sent again. Without SubtleCrypto, which browsers keep to
// secure addresses, the plain form stays as it is. After site.js, whose `mebibytes` it uses.
{
  const LONGEST_WAIT = 30; // seconds between two tries
  const SILENCE = 60; // seconds without a sign of life, then the line counts as cut
  const place = document.querySelector("[data-upload]");
  const piece = (name) => place.querySelector(`[data-upload-${name}]`);

  // What a request ended with. `again`: trying again may help. `status` 0: there was no answer.
  class Problem extends Error {
    constructor(status, text) {
      super(text);
      this.status = status;
      this.again = status === 0 || status === 408 || status === 422 || status === 429 || status >= 500;
    }
  }

  const hex = (digest) => [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  // Read anew each time: signing in on another page changes it.
  const csrfToken = () => document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1] ?? "";

  let running = null; // the request under way
  let paused = false;
  let wake = () => {};
  const sleep = (seconds) =>
    new Promise((resolve) => {
      wake = resolve;
      if (seconds) setTimeout(resolve, seconds * 1000);
    });

  function send(method, url, { body = null, headers = {}, onProgress = () => {} } = {}) {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      running = request;
      request.open(method, url);
      request.responseType = "json";
      for (const [name, value] of Object.entries({ "X-CSRFToken": csrfToken(), ...headers })) {
        request.setRequestHeader(name, value);
      }
      let heard = Date.now();
      const watch = setInterval(() => {
        if (Date.now() - heard > SILENCE * 1000) request.abort();
      }, 1000);
      request.upload.addEventListener("progress", (event) => {
        heard = Date.now();
        onProgress(event.loaded);
      });
      request.addEventListener("loadend", () => {
        clearInterval(watch);
        const { status, response } = request;
        if (status >= 200 && status < 300) return resolve(response);
        const told = response?.detail && `${response.detail} ${response.remedy}`;
        const silent = status ? `The site answered with ${status}. Reload this page, then go on.` : "The line is cut.";
        reject(new Problem(status, told ?? silent));
      });
      request.send(body);
    });
  }

  // Until it succeeds, or until trying again cannot help.
  async function persist(act) {
    for (let tries = 0; ; tries += 1) {
      while (paused) {
        say("Paused. What has arrived stays here.");
        await sleep();
        tries = 0;
      }
      try {
        const result = await act();
        if (tries) say("The line is back.");
        return result;
      } catch (problem) {
        since = null;
        if (paused) continue;
        if (!problem.again) throw problem;
        const seconds = Math.min(2 ** tries, LONGEST_WAIT);
        say(`${problem.message} What has arrived is safe. Trying again in ${seconds} s.`);
        await sleep(seconds);
      }
    }
  }

  function say(text) {
    piece("status").textContent = text;
  }

  // Since when bytes flow without a break, and how many there were then: for the time that is left.
  let since = null;
  function show(done, size) {
    since ??= { time: Date.now(), done };
    const seconds = ((Date.now() - since.time) / 1000) * ((size - done) / (done - since.done));
    const left = Number.isFinite(seconds) && done < size ? `, about ${spoken(seconds)} left` : "";
    piece("bar").max = size;
    piece("bar").value = done;
    piece("amount").textContent = `${mebibytes(done)} of ${mebibytes(size)}${left}`;
  }

  const spoken = (seconds) => (seconds < 90 ? `${Math.ceil(seconds)}\u00a0s` : `${Math.ceil(seconds / 60)}\u00a0min`);

  async function sendParts(file, upload) {
    let done = 0;
    let tenths = -1;
    for (let number = 1; number <= upload.part_count; number += 1) {
      const bytes = await file.slice(done, done + upload.part_bytes).arrayBuffer();
      const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
      const here = upload.parts[number];
      if (here) since = null;
      if (here && here !== hex(digest)) {
        throw new Problem(409, `This is not the file that you began with: its part ${number} differs. Choose that one, or delete this upload.`);
      }
      if (!here) {
        const headers = {
          "Content-Digest": `sha-256=:${btoa(String.fromCharCode(...digest))}:`,
          "Content-Type": "application/octet-stream",
        };
        const onProgress = (sent) => show(done + Math.min(sent, bytes.byteLength), file.size);
        await persist(() => send("PUT", `${upload.url}?part=${number}`, { body: bytes, headers, onProgress }));
      }
      done += bytes.byteLength;
      show(done, file.size);
      // Not every part: a screen reader reads it out.
      const now = Math.floor((10 * done) / file.size);
      if (now > tenths) say(`${10 * now} % has arrived.`);
      tenths = now;
    }
  }

  async function bring(file, begin) {
    const upload = await persist(begin);
    if (upload.size !== file.size) {
      throw new Problem(409, `${file.name} has ${file.size.toLocaleString("en")} bytes, and the file that you began with has ${upload.size.toLocaleString("en")}. Choose that one.`);
    }
    place.dataset.resume = upload.url;
    // A reload now leads to where it goes on.
    history.replaceState(null, "", upload.page + location.search);
    await sendParts(file, upload);
    const told = await persist(() => send("POST", upload.finish));
    const adapter = told.purpose === "adapter";
    say(adapter ? "All of it is here. Say what it is." : "All of it is here. A worker puts it together and checks it.");
    location.assign(adapter ? told.page : told.page + location.search);
  }

  function begin(form, file) {
    if (place.dataset.resume) return () => send("GET", place.dataset.resume);
    const body = new FormData();
    body.set("once", crypto.randomUUID());
    if (place.dataset.purpose) body.set("purpose", place.dataset.purpose);
    else if (place.dataset.dataset) body.set("dataset", place.dataset.dataset);
    else body.set("name", form.elements.name.value.trim());
    body.set("filename", file.name);
    body.set("size", file.size);
    return () => send("POST", place.dataset.upload, { body });
  }

  function showPause(label) {
    piece("pause").textContent = label;
  }

  // In place of the progress, until it goes on.
  function showFailure(text) {
    for (const name of ["bar", "amount", "pause"]) piece(name).hidden = Boolean(text);
    piece("error").textContent = text;
    piece("error").hidden = !text;
  }

  async function run(form) {
    const [file] = form.elements.file.files;
    form.hidden = true;
    piece("panel").hidden = false;
    piece("delete").hidden = false;
    piece("title").textContent = file.name;
    piece("title").focus();
    paused = false;
    showPause("Pause");
    showFailure("");
    show(0, file.size);
    say("Starting.");
    try {
      await bring(file, begin(form, file));
    } catch (problem) {
      // Not a Problem: the browser could not read the file, or our own mistake.
      const text = problem instanceof Problem ? problem.message : `${file.name} cannot be read (${problem.message}). Choose it again.`;
      showFailure(text);
      piece("delete").hidden = !place.dataset.resume;
      form.hidden = false;
      say("");
    }
  }

  async function giveUp() {
    if (!confirm(`Delete the upload of ${piece("title").textContent}? What has arrived of it is lost.`)) return;
    paused = true;
    showPause("Go on");
    running?.abort();
    try {
      if (place.dataset.resume) await send("DELETE", place.dataset.resume);
      location.assign(place.dataset.list);
    } catch (problem) {
      say(`It is not deleted. ${problem.message}`);
    }
  }

  if (place && globalThis.crypto?.subtle) {
    const form = place.querySelector("form");
    form.hidden = false;
    document.querySelectorAll("[data-upload-plain]").forEach((plain) => { plain.hidden = true; });
    if (place.dataset.maxBytes) form.elements.file.dataset.maxBytes = place.dataset.maxBytes;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      run(form);
    });
    // Not by the second half of a double click on what stood here before.
    const onPress = (name, act) => {
      piece(name).addEventListener("click", (event) => { if (event.detail < 2) act(); });
    };
    onPress("pause", () => {
      paused = !paused;
      showPause(paused ? "Go on" : "Pause");
      if (paused) running?.abort();
      wake();
    });
    onPress("delete", giveUp);
    window.addEventListener("online", () => wake());
  }
}
