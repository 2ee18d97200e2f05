// A scenario, the engine in a worker, and the report in a frame.
(() => {
  "use strict";
  const [scenario, examples, replications, run, problems, share, state, report] = ["scenario", "examples", "replications", "run", "problems", "share", "state", "report"].map((id) => document.getElementById(id));
  const body = document.body;
  const text = (id) => document.getElementById(id).textContent;
  const texts = JSON.parse(text("example-texts"));
  const source = URL.createObjectURL(new Blob([JSON.parse(text("worker-text"))], { type: "text/javascript" }));
  let [module, worker, asked] = [null, null, 0];
  /** What runs: its text, how often, since when. */
  let running = null;
  /** The text that broke the engine, which is not looked at again. */
  let broke = null;

  const bytesOf = (base64) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));

  async function through(stream, bytes) {
    return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(stream)).arrayBuffer());
  }

  /** A worker in the place of the one there was. */
  function begin() {
    worker?.terminate();
    running = null;
    run.disabled = true;
    delete body.dataset.ready;
    worker = new Worker(source);
    worker.onmessage = ({ data }) => (data.ready ? ready() : told(data));
    worker.onerror = (event) => told({ run: asked, broken: event.message });
    worker.postMessage({ module });
  }

  function ready() {
    run.disabled = false;
    run.textContent = "Run";
    body.dataset.ready = "true";
    look();
  }

  function ask(times) {
    worker.postMessage({ text: scenario.value, replications: times, run: ++asked });
  }

  function look() {
    if (!running && body.dataset.ready && scenario.value !== broke) ask(0);
  }

  function press() {
    if (running) {
      state.textContent = "stopped";
      return begin();
    }
    const times = Math.min(Math.max(Math.round(Number(replications.value)) || 1, 1), 100);
    replications.value = times;
    running = { text: scenario.value, times, since: performance.now() };
    run.textContent = "Stop";
    state.textContent = "runs";
    delete body.dataset.fingerprint;
    ask(times);
  }

  function told({ run: of, told: answer, broken }) {
    if (of !== asked) return;
    if (answer) listed(answer.problems);
    if (running) ended(answer ?? {}, broken);
    if (broken) {
      broke = scenario.value;
      begin();
    }
  }

  function ended({ page, fingerprint, broken }, trapped) {
    const { text, times, since } = running;
    running = null;
    run.textContent = "Run";
    const seconds = ((performance.now() - since) / 1000).toFixed(1);
    if (!page) {
      const why = trapped ?? broken;
      state.textContent = why ? `not run to its end: ${why}` : "not run: it has mistakes";
    } else {
      state.textContent = `${times} ${times === 1 ? "replication" : "replications"} in ${seconds} s`;
      report.hidden = false;
      report.srcdoc = page;
      body.dataset.fingerprint = fingerprint;
    }
    if (text !== scenario.value) changed();
  }

  // ---- problems ----------------------------------------------------------------------------

  function part(name, content) {
    const element = document.createElement(name);
    element.textContent = content;
    return element;
  }

  function listed(all) {
    problems.replaceChildren(...all.map((problem) => {
      const { severity, code, message, help, line, column } = problem;
      const item = document.createElement("li");
      item.className = severity;
      if (line) {
        const place = part("button", `${line}:${column}`);
        place.type = "button";
        place.addEventListener("click", () => show(problem));
        item.append(place);
      }
      item.append(" ", part("b", code), ` ${message} `, part("i", help ? `help: ${help}` : ""));
      return item;
    }));
  }

  /** Selects where a problem is; columns count characters, not what a string is made of. */
  function show({ line, column, end_line: endLine, end_column: endColumn }) {
    const lines = scenario.value.split("\n");
    const at = (row, place) => lines.slice(0, row - 1).join("\n").length + (row > 1 ? 1 : 0) + Array.from(lines[row - 1] ?? "").slice(0, place - 1).join("").length;
    scenario.focus();
    scenario.setSelectionRange(at(line, column), at(endLine, endColumn));
    scenario.scrollTop = (scenario.scrollHeight / lines.length) * Math.max(0, line - 5);
  }

  // ---- the design in the link --------------------------------------------------------------

  const encode = (bytes) => btoa(Array.from(bytes, (b) => String.fromCharCode(b)).join("")).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const decode = (packed) => bytesOf(packed.replace(/-/g, "+").replace(/_/g, "/"));

  async function link() {
    const packed = await through(new CompressionStream("deflate-raw"), new TextEncoder().encode(scenario.value));
    share.href = `#d=${encode(packed)}`;
  }

  async function linked() {
    const found = /^#d=([\w-]+)$/.exec(location.hash);
    if (!found) return null;
    try {
      return new TextDecoder().decode(await through(new DecompressionStream("deflate-raw"), decode(found[1])));
    } catch {
      state.textContent = "this link holds no design";
      return null;
    }
  }

  // ---- what people do ----------------------------------------------------------------------

  let later = null;
  function changed() {
    if (body.dataset.fingerprint) state.textContent = "changed since this report";
    clearTimeout(later);
    later = setTimeout(() => {
      link();
      look();
    }, 250);
  }

  function take(given) {
    scenario.value = given;
    changed();
  }

  async function start() {
    for (const name of Object.keys(texts)) examples.append(new Option(name, name));
    examples.value = "gray-failure";
    scenario.value = (await linked()) ?? texts[examples.value];
    examples.addEventListener("change", () => take(texts[examples.value]));
    addEventListener("hashchange", async () => {
      const other = await linked();
      if (other !== null && other !== scenario.value) take(other);
    });
    scenario.addEventListener("input", changed);
    scenario.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !running && !run.disabled) press();
    });
    run.addEventListener("click", press);
    await link();
    module = await WebAssembly.compile(await through(new DecompressionStream("gzip"), bytesOf(text("module").trim())));
    begin();
  }

  start();
})();
