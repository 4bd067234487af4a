"use strict";
// The screen in this page: a look at it (pictures only), and speaking as the avatar.
(() => {
  const part = document.getElementById("watch");
  if (!part) return;
  const HEAD = 9, RATE = 48000, CHUNK_MS = 20, WAITING_MAX = 48000;
  const words = part.dataset, canvas = part.querySelector("canvas"), pen = canvas.getContext("2d");
  const look = document.getElementById("look"), speak = document.getElementById("speak");
  const told = document.getElementById("speakstate"), level = part.querySelector("meter");
  const seen = window.vitrineLive = { phase: "off", pictures: 0, sent: 0, totalMs: null, why: "" };
  const whys = { operator: words.over, closed: words.over, box: words.lost, server: words.lost };
  let socket = null, speaking = false, watching = false, microphone = null, context = null, again = 0;

  function open(withVoice) {
    hangUp();
    speaking = withVoice;
    const line = new WebSocket(`${location.protocol.replace("http", "ws")}//${location.host}/screens/${words.box}/live`);
    line.binaryType = "arraybuffer";
    line.onopen = () => line.send(JSON.stringify({ csrf: words.csrf, speak: withVoice }));
    line.onmessage = (event) => { if (line === socket) take(event.data); };
    line.onclose = () => { if (line === socket) ended(seen.phase === "end" ? seen.why : words.lost); };
    socket = line;
    show("wait");
  }
  function hangUp() {
    const line = socket;
    socket = null;
    if (line) line.close();
    if (microphone) microphone.getTracks().forEach((track) => track.stop());
    if (context) context.close();
    microphone = context = null;
  }
  function ended(why) {
    const spoke = speaking;
    hangUp();
    speaking = false;
    show("off", why);
    if (spoke) { if (watching) open(false); told.textContent = why; }
    else if (watching) { clearTimeout(again); again = setTimeout(() => { if (watching && !socket && !document.hidden) open(false); }, 3000); }
  }
  function take(data) {
    const view = new DataView(data), kind = String.fromCharCode(view.getUint8(0)), at = view.getFloat64(1);
    if (kind === "J") picture(new Blob([data.slice(HEAD)], { type: "image/jpeg" }));
    else if (kind === "L") state(JSON.parse(new TextDecoder().decode(data.slice(HEAD))), at);
  }
  async function picture(blob) {
    const found = await createImageBitmap(blob);
    canvas.width = found.width; canvas.height = found.height;
    canvas.style.aspectRatio = `${found.width}/${found.height}`;
    pen.drawImage(found, 0, 0); found.close();
    canvas.hidden = false; document.getElementById("preview").classList.add("covered");
    seen.pictures++;
  }
  function state(found, at) {
    if (found.phase === "end") { seen.phase = "end"; seen.why = whys[found.why] || found.why; return; }
    if (at > 0 && found.phase === "on") {
      const wayMs = Math.max(0, performance.now() - at * 1000 - found.held_ms) / 2;
      seen.totalMs = CHUNK_MS + (context ? context.baseLatency * 1000 : 0) + wayMs + found.delay_ms;
      Object.assign(seen, { wayMs, delayMs: found.delay_ms, aheadMs: found.ahead_ms, late: found.late });
    }
    show(found.phase);
  }
  function show(phase, why = "") {
    seen.phase = phase; seen.why = why;
    part.dataset.phase = speaking ? phase : "off";
    speak.textContent = speaking ? words.stop : words.speak;
    speak.setAttribute("aria-pressed", String(speaking));
    look.textContent = watching ? words.unlook : words.look;
    level.hidden = !speaking;
    told.textContent = speaking && phase === "on" ? words.on + (seen.totalMs ? ` · ${Math.round(seen.totalMs)} ms` : "") :
      speaking && phase === "wait" ? words.wait : why;
    if (phase === "off" && !watching) { canvas.hidden = true; document.getElementById("preview").classList.remove("covered"); }
  }
  function send(buffer) {
    const ints = new Int16Array(buffer);
    level.value = Math.min(1, ints.reduce((top, sample) => Math.max(top, Math.abs(sample)), 0) / 32768);
    if (!socket || socket.readyState !== 1 || socket.bufferedAmount > WAITING_MAX) return;
    const packet = new Uint8Array(HEAD + buffer.byteLength), view = new DataView(packet.buffer);
    view.setUint8(0, 86); view.setFloat64(1, performance.now() / 1000);
    packet.set(new Uint8Array(buffer), HEAD);
    socket.send(packet); seen.sent++;
  }
  async function begin() {
    let found;
    try {
      found = await navigator.mediaDevices.getUserMedia({ audio: {
        channelCount: 1, sampleRate: RATE, latency: 0.01, echoCancellation: false, noiseSuppression: true,
        autoGainControl: false } });
    } catch (_) { told.textContent = words.denied; return; }
    open(true);
    microphone = found;
    const track = found.getAudioTracks()[0];
    if (window.MediaStreamTrackProcessor && track.getSettings().sampleRate === RATE) direct(track);
    else await throughContext(found);
  }
  async function direct(track) {
    // A context keeps what it once fell behind with; reading the track itself does not.
    const reader = new MediaStreamTrackProcessor({ track, maxBufferSize: 25 }).readable.getReader();
    let chunk = new Int16Array(RATE / 50), filled = 0;
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const samples = new Float32Array(value.numberOfFrames);
      value.copyTo(samples, { planeIndex: 0, format: "f32-planar" }); value.close();
      for (const sample of samples) {
        chunk[filled++] = Math.max(-1, Math.min(1, sample)) * 32767;
        if (filled === chunk.length) { send(chunk.buffer); chunk = new Int16Array(RATE / 50); filled = 0; }
      }
    }
  }
  async function throughContext(found) {
    // Without a loudspeaker of its own: its clock would only hold the microphone back.
    const made = new AudioContext({ sampleRate: RATE, latencyHint: "interactive", sinkId: { type: "none" } });
    await made.audioWorklet.addModule("/static/live-worklet.js");
    const node = new AudioWorkletNode(made, "chunks", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
    node.port.onmessage = (event) => send(event.data);
    context = made;
    made.createMediaStreamSource(found).connect(node);
  }
  speak.addEventListener("click", () => {
    if (!speaking) { begin(); return; }
    seen.phase = "end"; ended(words.over);
  });
  look.addEventListener("click", () => {
    watching = !watching;
    if (speaking) { show(seen.phase); return; }
    if (watching) open(false); else { hangUp(); show("off"); }
  });
  document.addEventListener("visibilitychange", () => {
    if (speaking || !watching) return;  // nobody looks: nothing is sent
    if (document.hidden) { hangUp(); show("off"); } else open(false);
  });
  window.addEventListener("pagehide", hangUp);
  show("off");
})();
