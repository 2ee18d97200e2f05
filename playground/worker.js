// Runs scenarios one after the other; whoever wants to stop one ends this worker.
"use strict";
let engine = null;

function told() {
  const { answer, length, memory } = engine.exports;
  return new TextDecoder().decode(new Uint8Array(memory.buffer, answer(), length()));
}

self.onmessage = async ({ data }) => {
  if (data.module) {
    engine = await WebAssembly.instantiate(data.module);
    self.postMessage({ ready: true });
    return;
  }
  try {
    const { room, run, memory } = engine.exports;
    const text = new TextEncoder().encode(data.text);
    const at = room(text.length);
    new Uint8Array(memory.buffer, at, text.length).set(text);
    run(data.replications);
    self.postMessage({ run: data.run, told: JSON.parse(told()) });
  } catch {
    // This engine is good for nothing more, but that it tells why.
    self.postMessage({ run: data.run, broken: told() || "it takes more memory than the page has (1 GB): the program has no such bound" });
  }
};
