"use strict";
// Live parts: the server says what changed, the page fetches itself and swaps the marked parts.
(() => {
  const parts = () => [...document.querySelectorAll("[data-live][id]")];
  let due = 0, running = false, again = false;
  const wants = (news) => parts().some((part) => part.dataset.live.split(" ").some(
    (topic) => topic === news.topic || topic === `${news.topic}:${news.about}`));
  async function refresh() {
    due = 0; running = true;
    try {
      const reply = await fetch(location.pathname + location.search, { headers: { "x-part": "1" } });
      if (reply.ok) {
        const fresh = new DOMParser().parseFromString(await reply.text(), "text/html");
        for (const part of parts()) {
          const next = fresh.getElementById(part.id);
          if (next && next.innerHTML !== part.innerHTML && !part.contains(document.activeElement)) {
            part.innerHTML = next.innerHTML; part.className = next.className;
          }
        }
      }
    } catch (_) { /* the next piece of news tries again */ }
    running = false;
    if (again) { again = false; soon(); }
  }
  // What happens while the page is being fetched may not be in it.
  const soon = () => { if (running) again = true; else if (!due) due = setTimeout(refresh, 350); };
  if (parts().length && location.search.indexOf("before=") < 0) {
    const source = new EventSource("/live");
    source.onopen = soon;  // what happened since the page was made, or while the line was down
    source.onmessage = (event) => { if (wants(JSON.parse(event.data))) soon(); };
    setInterval(() => { if (!document.hidden) soon(); }, 15000);
  }
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-confirm]");
    if (button && !confirm(button.dataset.confirm)) { event.preventDefault(); return; }
    const copy = event.target.closest("[data-copy]");
    if (copy) { const box = document.querySelector(copy.dataset.copy); box.select(); document.execCommand("copy"); copy.textContent = "✓"; }
    const row = event.target.closest("tr[data-href]");
    if (row && !event.target.closest("a,button,input,select")) location.href = row.dataset.href;
  });
  document.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (button && button.dataset.busy && event.target.id !== "editor") setTimeout(() => { button.textContent = button.dataset.busy; button.disabled = true; }, 0);
  });
  for (const range of document.querySelectorAll("input[type=range]")) {
    const out = range.parentElement.querySelector("output");
    const tell = () => { if (out) out.textContent = range.value + " %"; };
    range.addEventListener("input", tell); tell();
  }
  const swapFaults = (root, doc) => {
    for (const cell of root.querySelectorAll(".cell")) {
      const input = cell.querySelector("[name]");
      const next = doc.querySelector(`[name="${CSS.escape(input.name)}"]`);
      if (!next || !next.closest(".cell")) continue;
      cell.className = next.closest(".cell").className;
      for (const fault of cell.querySelectorAll(".fault")) fault.remove();
      cell.append(...next.closest(".cell").querySelectorAll(".fault"));
    }
  };
  // A form that says what it would do: the server reads what is typed, and saves nothing.
  const telling = document.querySelector("form[data-preview]");
  if (telling) {
    let timer = 0, asked = 0;
    const fold = () => {
      for (const part of telling.querySelectorAll("[data-when]")) {
        const [name, value] = part.dataset.when.split("=");
        part.hidden = new FormData(telling).get(name) !== value;
      }
    };
    async function look() {
      const mine = ++asked, data = new URLSearchParams(new FormData(telling));
      data.set("do", "look");
      try {
        const reply = await fetch(telling.action, { method: "POST", body: data, headers: { "x-part": "1" } });
        const doc = new DOMParser().parseFromString(await reply.text(), "text/html");
        const words = doc.getElementById("preview");
        if (mine !== asked || !words) return;
        document.getElementById("preview").innerHTML = words.innerHTML;
        swapFaults(telling, doc);
      } catch (_) { /* the next key tries again; saving tells all the same */ }
    }
    telling.addEventListener("input", () => { fold(); clearTimeout(timer); timer = setTimeout(look, 300); });
    fold();
  }
  // The editor saves the draft while one types: faults show at once, speech is made ahead.
  const editor = document.querySelector("form[data-guard]");
  if (editor) {
    let dirty = false, sending = false, timer = 0, quiet = 0, saving = null;
    const show = (doc) => {
      for (const id of ["headstate", "changes"]) {
        const next = doc.getElementById(id), old = document.getElementById(id);
        if (next && old) old.innerHTML = next.innerHTML;
      }
      document.getElementById("discard").hidden = doc.getElementById("discard").hidden;
      swapFaults(editor, doc);
      const alert = doc.querySelector("main > .banner[role=alert]");
      const old = document.querySelector("main > .banner[role=alert]");
      if (old) old.remove();
      if (alert) editor.before(alert);
    };
    // Half a sentence is worth keeping, not worth speaking: speech waits for a pause.
    async function autosave(ahead) {
      if (sending) return;
      if (saving) { timer = setTimeout(() => autosave(ahead), 200); return; }
      const data = new URLSearchParams(new FormData(editor));
      data.set("do", "save"); data.set("ahead", ahead ? "1" : "0");
      saving = new AbortController(); dirty = false;
      try {
        const reply = await fetch(editor.action, { method: "POST", body: data, headers: { "x-part": "1" }, signal: saving.signal });
        const doc = new DOMParser().parseFromString(await reply.text(), "text/html");
        if (!sending && doc.getElementById("editor")) {
          if (reply.ok) editor.elements.revision.value = doc.querySelector("[name=revision]").value;
          show(doc);
        }
      } catch (_) { dirty = true; }
      saving = null;
    }
    const later = (wait, ahead) => { clearTimeout(ahead ? quiet : timer); const id = setTimeout(() => autosave(ahead), wait); if (ahead) quiet = id; else timer = id; };
    editor.addEventListener("input", (event) => {
      if (event.target.name === "note" || event.target.dataset.picture) return;
      dirty = true; later(700, false); later(2500, true);
    });
    async function upload(input) {
      const file = input.files[0];
      if (!file) return;
      const reply = await fetch(`${editor.dataset.pictures}?product=${encodeURIComponent(input.dataset.picture)}`,
        { method: "POST", body: file, headers: { "x-csrf": editor.elements.csrf.value } });
      const answer = await reply.json();
      if (!reply.ok) { alert(answer.error); return; }
      const cell = input.closest(".cell");
      cell.querySelector("input[type=hidden]").value = answer.path;
      cell.querySelector("img").src = editor.dataset.files + answer.path;
      later(0, true);
    }
    editor.addEventListener("change", (event) => {
      if (event.target.dataset.picture) { upload(event.target); return; }
      if (event.target.name !== "note") later(0, true);
    });
    for (const input of editor.querySelectorAll("input[data-picture]")) upload(input);  // chosen before this ran
    editor.addEventListener("submit", (event) => {
      sending = true; clearTimeout(timer); clearTimeout(quiet);
      if (saving) saving.abort();
      const button = event.submitter;
      if (button && button.dataset.busy) setTimeout(() => { button.textContent = button.dataset.busy; button.disabled = true; }, 0);
    });
    window.addEventListener("beforeunload", (event) => { if (dirty && !sending) event.preventDefault(); });
    editor.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target.tagName === "INPUT") { event.preventDefault(); autosave(true); }
    });
  }
})();
