"use strict";
// Live parts: the server says what changed, the page fetches itself and swaps the marked parts.
(() => {
  const parts = () => [...document.querySelectorAll("[data-live][id]")];
  let due = 0, running = false;
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
  }
  const soon = () => { if (!due && !running) due = setTimeout(refresh, 350); };
  if (parts().length && location.search.indexOf("before=") < 0) {
    const source = new EventSource("/live");
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
  for (const range of document.querySelectorAll("input[type=range]")) {
    const out = range.parentElement.querySelector("output");
    const tell = () => { if (out) out.textContent = range.value + " %"; };
    range.addEventListener("input", tell); tell();
  }
  const editor = document.querySelector("form[data-guard]");
  if (editor) {
    let dirty = false, sending = false;
    editor.addEventListener("input", (event) => {
      if (event.target.name === "note") return;
      dirty = true;
      const cell = event.target.closest(".cell");
      if (cell) cell.classList.add("changed");
    });
    editor.addEventListener("submit", (event) => {
      sending = true;
      const button = event.submitter;
      if (button && button.dataset.busy) setTimeout(() => { button.textContent = button.dataset.busy; button.disabled = true; }, 0);
    });
    window.addEventListener("beforeunload", (event) => { if (dirty && !sending) event.preventDefault(); });
    editor.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target.tagName === "INPUT") { event.preventDefault(); document.getElementById("save").click(); }
    });
  }
})();
