"use strict";
// The microphone in chunks of 20 ms, 16 bit, mono; runs in the browser's audio thread.
class Chunks extends AudioWorkletProcessor {
  constructor() { super(); this.chunk = new Int16Array(sampleRate / 50); this.filled = 0; }
  process(inputs) {
    const samples = inputs[0][0];
    if (!samples) return true;
    for (const sample of samples) {
      this.chunk[this.filled++] = Math.max(-1, Math.min(1, sample)) * 32767;
      if (this.filled === this.chunk.length) {
        this.port.postMessage(this.chunk.buffer, [this.chunk.buffer]);
        this.chunk = new Int16Array(sampleRate / 50); this.filled = 0;
      }
    }
    return true;
  }
}
registerProcessor("chunks", Chunks);
