// What moves on the page: the picture of the design at one instant, and charts to zoom.
// All of it comes from the element `data`; every text is put in as text.
(() => {
  "use strict";

  const data = JSON.parse(document.getElementById("data").textContent);
  const { starts, duration, parts } = data;
  const body = document.body;
  const last = starts.length - 1;

  // ---- words -------------------------------------------------------------------------------

  const UNITS = {
    s: [[172800, 86400, " d"], [7200, 3600, " h"], [120, 60, " min"], [1, 1, " s"], [1e-3, 1e-3, " ms"], [1e-6, 1e-6, " µs"], [0, 1e-9, " ns"]],
    fraction: [[0, 0.01, " %"]],
    "/s": [[0, 1, " /s"]],
    number: [[0, 1, ""]],
  };

  /** Three digits, of what is large all before the point, in groups. */
  function digits(value) {
    const size = Math.abs(value);
    const places = size === 0 || size >= 100 ? 0 : Math.max(0, 2 - Math.floor(Math.log10(size)));
    const [whole, part] = value.toFixed(Math.min(places, 9)).split(".");
    const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
    const rest = (part || "").replace(/0+$/, "");
    return rest ? `${grouped}.${rest}` : grouped;
  }

  /** A figure with its unit. */
  function show(value, unit) {
    if (value === null || value === undefined) return "-";
    const of = UNITS[unit] || UNITS.number;
    const [, factor, suffix] = of.find(([least]) => Math.abs(value) >= least) || of[of.length - 1];
    if (value === 0) return `0${unit === "s" ? " s" : suffix}`;
    // What is missing to all of it counts as much as the rest.
    if (unit === "fraction" && value > 0.99 && value < 1) {
      const places = Math.min(6, 1 - Math.floor(Math.log10((1 - value) * 100)));
      return `${Number((value * 100).toFixed(places))} %`;
    }
    return digits(value / factor) + suffix;
  }

  /** An instant: `1m06s`; with as many places as are asked for, if it is no whole second. */
  function clock(at, places = at < 10 ? 3 : 1) {
    const whole = Math.floor(at + 1e-9);
    const part = at - whole > 1e-6 ? (at - whole).toFixed(places).slice(1).replace(/0+$/, "") : "";
    const two = (n) => String(n).padStart(2, "0");
    const [s, m, h, d] = [whole % 60, Math.floor(whole / 60), Math.floor(whole / 3600), Math.floor(whole / 86400)];
    if (d > 0) return `${d}d${two(h % 24)}h${two(m % 60)}m`;
    if (h > 0) return `${h}h${two(m % 60)}m${two(s)}${part}s`;
    return m > 0 ? `${m}m${two(s)}${part}s` : `${s}${part}s`;
  }

  /** An element with these properties and what is in it. */
  function make(name, properties = {}, ...inside) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(properties)) {
      if (key.includes("-")) element.setAttribute(key, value);
      else element[key] = value;
    }
    element.append(...inside);
    return element;
  }

  function draw(name, attributes, parent) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (parent) parent.append(element);
    return element;
  }

  /** The value of a window: what never changes is given once. */
  const of = (list, window) => (Array.isArray(list) ? list[window] : list);

  function most(list) {
    return (Array.isArray(list) ? list : [list]).reduce((a, b) => Math.max(a, b ?? 0), 0);
  }

  // ---- the instant -------------------------------------------------------------------------

  let time = 0;
  let playing = null;
  /** Simulated time since the picture before, while it plays. */
  let shutter = 0;
  const followers = [];

  /** The window that holds an instant. */
  function windowAt(at) {
    let [low, high] = [0, last];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (starts[middle] <= at + 1e-9) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  function go(to, kept) {
    time = Math.min(Math.max(to, 0), duration);
    body.dataset.time = String(Number(time.toFixed(6)));
    const window = windowAt(time);
    followers.forEach((follow) => follow(time, window));
    if (kept) keep();
  }

  /** The instant goes into the address, so that it can be handed on. */
  function keep() {
    try {
      history.replaceState(null, "", `#t=${body.dataset.time}`);
    } catch {
      // Some places do not let a page change its address.
    }
  }

  function linked() {
    const found = /^#t=(\d+(?:\.\d+)?)$/.exec(location.hash);
    return found ? Number(found[1]) : null;
  }

  // ---- what was looked at closely ----------------------------------------------------------

  const close = data.close ?? { spans: [], step: 0, one: 1 };
  /** In a second. */
  const TENTHS = 10000;
  /** Of each way messages went in a span: when they were sent, in order, and how long each took. */
  for (const span of close.spans) {
    span.routes = span.routes.map(([from, to, answer, flat]) => {
      const [sent, took] = [new Float64Array(flat.length / 2), new Float64Array(flat.length / 2)];
      let at = 0;
      for (let i = 0; i < sent.length; i++) {
        at += flat[2 * i];
        [sent[i], took[i]] = [span.from + at / TENTHS, flat[2 * i + 1] / TENTHS];
      }
      return { from, to, answer: answer === 1, sent, took, longest: took.reduce((a, b) => Math.max(a, b), 0) };
    });
  }

  const spanAt = (at) => close.spans.find(({ from, to }) => from <= at + 1e-9 && at < to);

  /** The look at instances that holds an instant. */
  const lookAt = (span, at) => Math.floor((at - span.from) / close.step + 1e-6);

  /** From one look to the next, or to the nearest span. */
  function look(forward) {
    stop();
    const span = spanAt(time);
    const next = span && span.from + close.step * (lookAt(span, time) + (forward ? 1 : -1));
    if (span && next >= span.from - 1e-9 && next < span.to) return go(next, true);
    const starts = close.spans.map(({ from }) => from);
    const to = forward ? starts.find((from) => from > time) : starts.filter((from) => from < time - 1e-9).pop();
    if (to !== undefined) go(to, true);
  }

  function step(windows) {
    stop();
    const now = windowAt(time);
    // Back from within a window leads to its start.
    const inside = windows < 0 && time > starts[now] + 1e-9 ? 1 : 0;
    go(starts[Math.min(Math.max(now + windows + inside, 0), last)], true);
  }

  /** The instants at which something happened, each once. */
  const instants = [...new Set(data.events.map(([at]) => at))].sort((a, b) => a - b);

  function toEvent(forward) {
    stop();
    const next = forward
      ? instants.find((at) => at > time + 1e-6)
      : instants.filter((at) => at < time - 1e-6).pop();
    if (next !== undefined) go(next, true);
  }

  function stop() {
    if (playing === null) return;
    cancelAnimationFrame(playing);
    playing = null;
    told();
    keep();
  }

  function play() {
    if (playing !== null) return stop();
    if (time >= starts[last]) go(0);
    let before = performance.now();
    const frame = (now) => {
      // All of it takes forty seconds at the usual speed; in slow motion a second takes so many.
      const slow = speed.value.startsWith("1/") ? Number(speed.value.slice(2)) : 0;
      const by = slow > 0 ? (now - before) / 1000 / slow : ((now - before) / 40000) * duration * Number(speed.value);
      shutter = by;
      go(time + by);
      shutter = 0;
      before = now;
      if (time >= duration) return stop();
      playing = requestAnimationFrame(frame);
    };
    playing = requestAnimationFrame(frame);
    told();
  }

  // ---- the deck ----------------------------------------------------------------------------

  const deck = document.getElementById("deck");
  const picture = document.getElementById("picture");
  picture.classList.add("fits");
  const button = (text, title, act) => {
    const made = make("button", { type: "button", title, textContent: text });
    made.addEventListener("click", act);
    return made;
  };
  const playButton = button("▶ Play", "Play (space)", play);
  const speed = make("select", { "aria-label": "Speed" });
  for (const [factor, name] of [["0.25", "¼ speed"], ["0.5", "½ speed"], ["1", "speed 1"], ["2", "speed 2"], ["4", "speed 4"]]) {
    speed.append(make("option", { value: factor, textContent: name, selected: factor === "1" }));
  }
  if (close.spans.length > 0) {
    for (const slow of [5, 50, 500]) {
      speed.append(make("option", { value: `1/${slow}`, textContent: `slow: ${show(1 / slow, "s")} a second` }));
    }
  }
  const clockOut = make("output", { "aria-label": "Simulated time" });
  const scrub = make("input", { type: "range", id: "scrub", min: "0", max: String(last), step: "1", "aria-label": "Simulated time" });
  scrub.addEventListener("input", () => {
    stop();
    go(starts[Number(scrub.value)], true);
  });

  /** A wide picture is seen whole, or in its own size. */
  const sized = button("Full size", "The picture in its own size, or all of it", () => {
    const fits = picture.classList.toggle("fits");
    sized.textContent = fits ? "Full size" : "All at once";
    resize();
  });

  function told() {
    playButton.textContent = playing === null ? "▶ Play" : "❚❚ Pause";
    body.dataset.playing = String(playing !== null);
  }

  const controls = make("div", { className: "controls" }, playButton, speed);
  if (instants.length > 0) {
    controls.append(
      button("◀ event", "The event before (p)", () => toEvent(false)),
      button("event ▶", "The next event (n)", () => toEvent(true)),
    );
  }
  const closeKeys = close.spans.length > 0 ? ", [ ]" : "";
  if (close.spans.length > 0) {
    controls.append(button("closer", "To where messages can be seen: the next look ( ] ), the one before ( [ )", () => look(true)));
  }
  controls.append(sized, clockOut, make("span", { className: "keys", textContent: `space, ← →, n p, Home End${closeKeys}` }));

  // ---- the lane ----------------------------------------------------------------------------

  const lane = make("div", { className: "lane" });
  const share = (at) => `${(100 * at) / duration}%`;
  const laneInstant = make("div", { className: "instant" });

  /** Puts spans in as few rows as they need, from a row on; returns the next free one. */
  function rows(spans, first, most, drawn) {
    const ends = [];
    const named = new Set();
    [...spans].sort((a, b) => a[0] - b[0]).forEach(([from, to, name, ...rest]) => {
      // A name is said once, and takes room: about seven pixels a letter on a thousand.
      const letters = named.has(name) ? 0 : name.length;
      named.add(name);
      const right = Math.max(to, from + (duration * letters * 7) / 1000);
      let row = ends.findIndex((end) => end <= from);
      if (row < 0) row = ends.length < most ? ends.length : most - 1;
      ends[row] = Math.max(right, ends[row] ?? 0);
      const bar = drawn(from, to, name, ...rest);
      if (letters === 0) bar.textContent = "";
      bar.style.left = share(from);
      bar.style.top = `${2 + 18 * (first + row)}px`;
      lane.append(bar);
    });
    return first + ends.length;
  }

  /** What is over at once has an instant. */
  const when = (from, to) => (from === to ? `at ${clock(from)}` : `from ${clock(from)} to ${clock(to)}`);

  function buildLane() {
    if (data.warm > 0) {
      const warm = make("div", { className: "warm", title: "warm-up: not counted" });
      warm.style.width = share(data.warm);
      lane.append(warm);
    }
    const open = Math.min(...parts.map((part) => part.open ?? Infinity));
    if (open <= last) {
      const mark = make("div", { className: "open", title: "requests sent here were on their way as the run ended" });
      mark.style.left = share(starts[open]);
      mark.style.right = "0";
      lane.append(mark);
    }
    let row = rows(data.faults, 0, 6, (from, to, name, does) => {
      const bar = make("div", { className: "fault", title: `${name}: ${does}, ${when(from, to)}`, textContent: name });
      bar.style.width = `max(3px, ${share(to - from)})`;
      bar.style.overflow = to - from > duration / 8 ? "hidden" : "visible";
      return bar;
    });
    row = rows(data.alerts, row, 3, (from, to, name) =>
      make("div", { className: "alert", title: `alert ${name}, ${clock(from)} to ${clock(to)}`, textContent: `▲ ${name}` }));
    for (const [at, , , text] of data.events) {
      const mark = make("div", { className: "event", title: `${clock(at)} ${text}` });
      mark.style.left = share(at);
      mark.style.top = `${4 + 18 * row}px`;
      lane.append(mark);
    }
    for (const { from, to } of close.spans) {
      const mark = make("div", { className: "close", title: `looked at closely, ${clock(from)} to ${clock(to)}: messages can be seen` });
      mark.style.left = share(from);
      mark.style.width = share(to - from);
      lane.append(mark);
    }
    lane.style.height = `${18 * (row + 1) + 2}px`;
    lane.append(laneInstant);
    const names = data.faults.map(([from, to, name]) => `${name} ${when(from, to)}`);
    lane.setAttribute("role", "img");
    lane.setAttribute("aria-label", names.length ? `Faults: ${names.join("; ")}` : "No faults");
    const point = (event) => {
      const box = lane.getBoundingClientRect();
      stop();
      go((duration * (event.clientX - box.left)) / box.width, true);
    };
    lane.addEventListener("pointerdown", (event) => {
      lane.setPointerCapture(event.pointerId);
      point(event);
    });
    lane.addEventListener("pointermove", (event) => {
      if (event.buttons & 1) point(event);
    });
  }

  // ---- the sentence ------------------------------------------------------------------------

  const now = document.getElementById("now");
  const happened = make("details", { id: "happened", open: true });
  const items = data.events.map(([at, , , text]) => {
    const link = make("a", { href: `#t=${at}`, textContent: clock(at) });
    link.addEventListener("click", (event) => {
      event.preventDefault();
      stop();
      go(at, true);
    });
    return make("li", {}, link, text);
  });

  function buildHappened() {
    if (items.length === 0) return;
    happened.append(make("summary", { textContent: "What happened" }), make("ol", {}, ...items));
    document.querySelector("#replay .live").append(happened);
  }

  const clients = parts.filter((part) => part.kind === "client");

  /** How it goes for those who ask. */
  function served(window) {
    const sum = (key) => clients.reduce((all, part) => all + (of(part[key], window) ?? 0), 0);
    const [offered, good] = [sum("offered"), sum("good")];
    const worst = clients.reduce((all, part) => Math.max(all, of(part.p99, window) ?? 0), 0);
    if (offered === 0) return "Nobody asks.";
    const late = worst > 0 ? `, p99 ${show(worst, "s")}` : "";
    return `${show(good, "/s")} of ${show(offered, "/s")} asked are answered well${late}.`;
  }

  function sentence(at, window) {
    const past = data.events.filter(([then]) => then <= at + 1e-6);
    const newest = past.length > 0 ? past[past.length - 1][0] : null;
    const texts = past.filter(([then]) => then === newest).map((event) => event[3]);
    const at_work = data.faults.filter(([from, to]) => from <= at + 1e-9 && at < to);
    const before = newest === null ? "Nothing out of the ordinary has happened yet." : texts.slice(0, 3).join("; ") + (texts.length > 3 ? ` and ${texts.length - 3} more.` : ".");
    const work = [...new Set(at_work.map(([, , name, does]) => `${name} (${does})`))];
    now.replaceChildren(
      make("span", { className: "at", textContent: newest === null ? "" : `${clock(newest)} ` }),
      make("b", { textContent: before }),
      ` ${served(window)}`,
      work.length > 0 ? ` At work: ${work.join("; ")}.` : "",
      data.told ? ` ${data.told}` : "",
    );
    items.forEach((item, i) => {
      item.classList.toggle("past", i < past.length);
      item.classList.toggle("last", newest !== null && i < past.length && data.events[i][0] === newest);
    });
  }

  // ---- the picture -------------------------------------------------------------------------

  const groups = new Map();
  for (const group of picture.querySelectorAll("[data-node]")) groups.set(group.getAttribute("data-node"), group);

  /** A cell or bar: how full it is, and a cross where nobody is. */
  class Gauge {
    constructor(group, upright) {
      group.classList.add("cell");
      this.group = group;
      this.upright = upright;
      this.frame = group.querySelector("rect");
      const read = (key) => Number(this.frame.getAttribute(key));
      [this.x, this.y, this.width, this.height] = ["x", "y", "width", "height"].map(read);
      this.level = draw("rect", { class: "level", x: this.x, y: this.y, width: this.width, height: this.height }, group);
      this.cross = draw("path", { class: "cross", d: `M${this.x} ${this.y}l${this.width} ${this.height}m0 ${-this.height}l${-this.width} ${this.height}` }, group);
      this.title = draw("title", {}, group);
    }

    set(busy, { waits, gone, struck, title }) {
      const full = Math.min(Math.max(busy ?? 0, 0), 1);
      if (this.upright) {
        this.level.setAttribute("height", full * this.height);
        this.level.setAttribute("y", this.y + (1 - full) * this.height);
      } else {
        this.level.setAttribute("width", full * this.width);
      }
      this.group.classList.toggle("waits", Boolean(waits));
      this.group.classList.toggle("gone", Boolean(gone));
      this.group.classList.toggle("struck", Boolean(struck));
      this.cross.style.display = gone ? "" : "none";
      this.title.textContent = title;
    }
  }

  /** Waiting less than this is next to nobody. */
  const NOBODY = 0.05;

  function nameOf(part, inst) {
    if (part.word === "shard" && part.replicas > 1) {
      return `shard ${Math.floor(inst / part.replicas)}, replica ${inst % part.replicas}`;
    }
    return `${part.word || "instance"} ${inst}`;
  }

  function stateOf(part, window) {
    const [busy, waiting, arrivals, down] = ["busy", "waiting", "arrivals", "down"].map((key) => of(part[key], window) ?? null);
    const words = [];
    if (busy !== null) words.push(`busy ${show(busy, "fraction")}`);
    else if (arrivals !== null) words.push(show(arrivals, "/s"));
    if (waiting >= NOBODY) words.push(`${show(waiting, "number")} wait`);
    if (down > 0.001) words.push(part.instances > 1 ? `${show(down, "number")} down` : "down");
    if (part.up !== undefined) words.push(`${show(of(part.up, window), "number")} up`);
    const more = (part.more || []).map(([name, unit, list]) => {
      const value = show(of(list, window), unit);
      return unit === "number" ? `${value} ${name}` : `${name} ${value}`;
    });
    words.push(...more);
    return { busy, waiting, down, words, arrivals };
  }

  const followed = parts.filter((part) => groups.has(part.name)).map((part) => {
    const [group, place] = [groups.get(part.name), parts.indexOf(part)];
    const gauges = [...group.querySelectorAll("[data-instance]")].map((cell) => new Gauge(cell, true));
    const bar = group.querySelector(".bar");
    return { part, place, group, gauges, bar: bar && new Gauge(bar, false), text: group.querySelector(".state"), title: draw("title", {}, group) };
  });

  function showClient({ part, group, text, title }, window) {
    const [offered, available] = [of(part.offered, window), of(part.available, window) ?? null];
    text.textContent = `${show(offered, "/s")}${available === null ? "" : `, ${show(available, "fraction")} good`}`;
    group.dataset.available = String(available);
    title.textContent = `${part.name}: ${show(of(part.good, window), "/s")} of ${show(offered, "/s")} answered well, p99 ${show(of(part.p99, window), "s")}`;
    group.classList.toggle("full", available !== null && available < 0.9);
    group.classList.toggle("busy", available !== null && available >= 0.9 && available < 0.99);
  }

  /** The same by one look, of which the instances say how it is. */
  function stateBy(part, looks, at, window) {
    const all = (key) => looks.map((cell) => of(cell[key], at) ?? 0);
    const sum = (key) => all(key).reduce((a, b) => a + b, 0);
    const state = stateOf(part, window);
    const room = looks.length === 1 ? part.instances || 1 : 1;
    const [waiting, down] = [sum("waiting"), sum("down") * room];
    const there = all("down").map((share) => 1 - share);
    const up = there.reduce((a, b) => a + b, 0);
    const busy = state.busy === null || up === 0 ? state.busy : all("busy").reduce((a, b, i) => a + b * there[i], 0) / up / 100;
    const words = [busy === null ? show(state.arrivals, "/s") : `busy ${show(busy, "fraction")}`];
    if (waiting >= NOBODY) words.push(`${show(waiting, "number")} wait`);
    if (down > 0.001) words.push(part.instances > 1 ? `${show(down, "number")} down` : "down");
    return { ...state, busy, waiting, down, words };
  }

  function showNode(one, window, span) {
    const { part, group, gauges, bar, text, title } = one;
    const looks = span?.nodes[one.place];
    const at = looks && lookAt(span, time);
    const state = looks ? stateBy(part, looks, at, window) : stateOf(part, window);
    // As many as there is room for; all of them where one points.
    const [first = "", ...others] = state.words;
    text.textContent = others.reduce((all, word) => (all.length + word.length > 22 ? all : `${all}, ${word}`), first);
    title.textContent = [part.name, ...state.words, `${show(state.arrivals, "/s")} arrive`].join(", ");
    let struckAny = false;
    gauges.forEach((gauge, inst) => {
      const near = looks?.length === gauges.length;
      const cell = (near ? looks[inst] : part.cells?.[inst]) ?? {};
      const alone = gauges.length === 1;
      const read = (key) => of(cell[key], near ? at : window) ?? 0;
      const full = cell.busy === undefined ? state.busy : read("busy") / 100;
      const waiting = alone ? state.waiting ?? 0 : read("waiting");
      const down = alone ? state.down ?? 0 : read("down");
      const struck = read("struck") > 0;
      struckAny ||= struck;
      const words = [nameOf(part, inst)];
      if (full !== null) words.push(`busy ${show(full, "fraction")}`);
      if (waiting > 0) words.push(`${show(waiting, "number")} wait`);
      if (down > 0) words.push(`${part.up === undefined ? "down" : "gone"} ${show(down, "fraction")} of the time`);
      if (struck) words.push("struck");
      gauge.set(full, { waits: waiting >= NOBODY, gone: down >= 0.5, struck, title: words.join(", ") });
    });
    if (bar) bar.set(state.busy, { waits: state.waiting >= NOBODY, gone: false, struck: false, title: `all ${part.instances}: ${state.words.join(", ")}` });
    const down = state.down > 0.001 && state.down >= (part.instances || 1) * 0.5;
    const full = state.busy !== null && state.busy >= 0.95;
    group.classList.toggle("down", down);
    group.classList.toggle("struck", struckAny && !down);
    group.classList.toggle("full", full && !struckAny && !down);
    group.classList.toggle("busy", state.busy !== null && state.busy >= 0.7 && !full && !struckAny && !down);
  }

  const byName = new Map(parts.map((part) => [part.name, part]));
  const busiest = parts.reduce((all, part) => Math.max(all, most(part.arrivals ?? 0)), 0);
  const calls = data.calls ?? [];
  const arrows = [...picture.querySelectorAll("[data-to]")].map((group) => {
    const [from, to] = ["data-from", "data-to"].map((key) => parts.indexOf(byName.get(group.getAttribute(key))));
    const line = group.querySelector("path");
    const known = calls.find((edge) => edge[0] === from && edge[1] === to);
    // Where none of the ways there was counted, all who come there.
    const counted = calls.some((edge) => edge[1] === to);
    const rates = known ? known[2] : counted ? 0 : parts[to]?.arrivals;
    return { group, line, from, to, rates, length: null };
  });

  function showArrows(window) {
    for (const { group, line, rates } of arrows) {
      const rate = of(rates, window) ?? 0;
      group.dataset.rate = String(rate);
      line.style.strokeWidth = String(rate > 0 ? 1.2 + 5 * Math.sqrt(rate / busiest) : 1.2);
      group.classList.toggle("none", rate === 0);
    }
  }

  function showPicture(window, span) {
    for (const one of followed) {
      if (one.part.kind === "client") showClient(one, window);
      else showNode(one, window, span);
    }
    showArrows(window);
  }

  const dots = draw("g", { class: "dots", "aria-hidden": "true" }, picture.querySelector("svg"));
  /** Dots that are drawn at once. */
  const MOST_DOTS = 500;

  /** The first of those sent at an instant or later. */
  function firstSent(sent, at) {
    let [low, high] = [0, sent.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sent[middle] < at) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Messages that were on their way at some time since the picture before: along which arrow, and how far. */
  function onTheirWay(at, span) {
    const found = [];
    const since = Math.max(at - shutter, span.from);
    for (const { from, to, answer, sent, took, longest } of span.routes) {
      const [one, other] = answer ? [to, from] : [from, to];
      const arrow = arrows.find((arrow) => arrow.from === one && arrow.to === other);
      if (!arrow) continue;
      for (let i = firstSent(sent, since - longest); i < sent.length && sent[i] <= at; i++) {
        const end = sent[i] + took[i];
        if (end < since) continue;
        const middle = (Math.max(sent[i], since) + Math.min(end, at)) / 2;
        const way = took[i] > 0 ? (middle - sent[i]) / took[i] : 1;
        found.push([arrow, answer, answer ? 1 - way : way]);
      }
    }
    return found;
  }

  function showMessages(at, span) {
    const found = span ? onTheirWay(at, span) : [];
    body.dataset.messages = String(found.length);
    const each = Math.max(1, Math.ceil(found.length / MOST_DOTS));
    const shown = found.filter((_, i) => i % each === 0);
    while (dots.childElementCount > shown.length) dots.lastElementChild.remove();
    shown.forEach(([arrow, answer, way], i) => {
      const dot = dots.children[i] ?? draw("circle", {}, dots);
      arrow.length ??= arrow.line.getTotalLength();
      const { x, y } = arrow.line.getPointAtLength(way * arrow.length);
      dot.setAttribute("cx", x.toFixed(1));
      // Answers go beside the line.
      dot.setAttribute("cy", (y + (answer ? 5 : -5)).toFixed(1));
      dot.setAttribute("r", answer ? "3.2" : "3.6");
      dot.setAttribute("class", answer ? "answer" : "call");
    });
  }

  function buildLegend() {
    const legend = document.getElementById("legend");
    const sample = (busy, marks, text) => {
      const svg = draw("svg", { width: 16, height: 16, viewBox: "-2 -2 14 14", "aria-hidden": "true" });
      const group = draw("g", { class: "cell" }, svg);
      draw("rect", { x: 0, y: 0, width: 10, height: 10 }, group);
      new Gauge(group, true).set(busy, { title: "", ...marks });
      legend.append(make("span", {}, svg, text));
    };
    sample(0.6, {}, "an instance: filled as far as it is busy");
    sample(1, { waits: true }, "somebody waits there");
    sample(0.3, { struck: true }, "a fault is at work at it");
    sample(0, { gone: true }, "down, or not there");
    legend.append(make("p", { textContent: `A bar stands for all instances of a node that has too many. Frames: busy for 70 % (of clients: less than 99 % good), full (less than 90 % good), dashed: a fault. Arrows are as wide as calls go that way${calls.length > 0 ? "" : ", from all who call there"}.` }));
    if (close.spans.length > 0) {
      const some = close.one > 1 ? ` One request in ${close.one} is shown.` : "";
      const spans = close.spans.map(({ from, to }) => `${clock(from)} to ${clock(to)}`).join(", ");
      legend.append(make("p", { textContent: `Looked at closely (${spans}; replication ${close.replication}, simulated again): instances as they are each ${show(close.step, "s")}, and messages on their way, a dot for a call and a ring for an answer. They are quick: choose a slow speed.${some}` }));
    }
  }

  // ---- charts ------------------------------------------------------------------------------

  const place = document.getElementById("charts");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];
  const DASHES = [[], [9, 4], [2, 3], [12, 3, 2, 3], [6, 2], [16, 4], [4, 4], [1, 2]];
  let charts = [];
  let zooming = false;
  let [from, to] = [0, duration];

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  function lineColour(i) {
    if (i < COLOURS.length) return dark.matches && i === 0 ? "#4ea3dc" : COLOURS[i];
    return i === 6 ? colour("--ink") : dark.matches ? "#f0e442" : "#77777d";
  }

  function zoom(min, max, by) {
    if (zooming) return;
    zooming = true;
    const times = data.shown.times[0] ?? [];
    const all = min === null || (min <= times[0] && max >= times[times.length - 1]);
    [from, to] = all ? [0, duration] : [Math.max(min, 0), Math.min(max, duration)];
    for (const chart of charts) if (chart !== by || from !== min || to !== max) chart.setScale("x", { min: from, max: to });
    place.dataset.from = String(Number(from.toPrecision(6)));
    place.dataset.to = String(Number(to.toPrecision(6)));
    whole.disabled = from === 0 && to === duration;
    zooming = false;
    markInstant();
  }

  const whole = button("All of it", "Show the whole run again (or double-click a chart)", () => zoom(0, duration));

  /** Steps of a clock. */
  const TICKS = [-9, -8, -7, -6, -5, -4, -3, -2, -1].flatMap((power) => [1, 2, 5].map((n) => n * 10 ** power)).concat(
    [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400],
    [2, 7, 14, 28, 91, 182, 365, 730, 1825, 3650].map((days) => days * 86400),
  );
  const SMALL = "11px system-ui, sans-serif";

  /** Nothing is drawn outside of where the lines are. */
  function within({ ctx, bbox }, drawn) {
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.font = SMALL.replace("11", String(11 * uPlot.pxRatio));
    drawn(ctx, bbox, uPlot.pxRatio);
    ctx.restore();
  }

  function shade(chart, panel) {
    within(chart, (ctx, bbox, ratio) => {
      for (const [start, end, , fault] of data.shown.spans[panel.spans]) {
        const left = chart.valToPos(start, "x", true);
        const right = Math.max(chart.valToPos(end, "x", true), left + ratio);
        ctx.fillStyle = fault ? (dark.matches ? "rgba(213,94,0,.28)" : "rgba(213,94,0,.13)") : colour("--shade");
        ctx.fillRect(left, bbox.top, right - left, bbox.height);
        ctx.fillStyle = fault ? "#d55e00" : colour("--edge");
        ctx.fillRect(left, bbox.top, ratio, bbox.height);
      }
    });
  }

  /** Names of what is shaded, on top of the lines. */
  function labels(chart, panel) {
    within(chart, (ctx, bbox, ratio) => {
      const ends = [];
      [ctx.textAlign, ctx.textBaseline] = ["left", "top"];
      for (const [start, end, label] of data.shown.spans[panel.spans]) {
        if (!label || end < from || start > to) continue;
        const width = ctx.measureText(label).width + 8 * ratio;
        const room = bbox.left + bbox.width - width;
        const left = Math.min(Math.max(chart.valToPos(start, "x", true), bbox.left), room);
        let row = ends.findIndex((known) => known <= left);
        if (row < 0) row = ends.length;
        ends[row] = left + width;
        if (row > 4) continue;
        const top = bbox.top + (2 + 15 * row) * ratio;
        ctx.globalAlpha = 0.8;
        ctx.fillStyle = colour("--ground");
        ctx.fillRect(left + 2 * ratio, top, width - 4 * ratio, 14 * ratio);
        ctx.globalAlpha = 1;
        ctx.fillStyle = colour("--ink");
        ctx.fillText(label, left + 4 * ratio, top + ratio);
      }
    });
  }

  function limits(chart, panel) {
    within(chart, (ctx, bbox, ratio) => {
      ctx.textAlign = "right";
      ctx.setLineDash([5 * ratio, 4 * ratio]);
      ctx.strokeStyle = ctx.fillStyle = colour("--bad");
      ctx.lineWidth = ratio;
      for (const [level, name] of panel.limits) {
        const y = chart.valToPos(level, "y", true);
        ctx.beginPath();
        ctx.moveTo(bbox.left, y);
        ctx.lineTo(bbox.left + bbox.width, y);
        ctx.stroke();
        const high = y - bbox.top < 15 * ratio;
        ctx.textBaseline = high ? "top" : "bottom";
        ctx.fillText(name, bbox.left + bbox.width - 4 * ratio, high ? y + 2 * ratio : y - 2 * ratio);
      }
    });
  }

  /** The ends of a logarithmic axis: the next 1, 2 or 5 times a power of ten. */
  function logRange(low, high) {
    const round = (v, up) => {
      const power = 10 ** Math.floor(Math.log10(v) + 1e-9);
      const parts = [1, 2, 5, 10].map((n) => n * power);
      return up ? parts.find((p) => p >= v * 0.9999) : parts.reverse().find((p) => p <= v * 1.0001);
    };
    const [least, largest] = [round(low, false), round(high, true)];
    return [least, largest > least ? largest : least * 10];
  }

  /** What is drawn of a panel: lines as they are, layers of a stack on top of each other. */
  function content(panel) {
    const times = data.shown.times[panel.time];
    const raw = panel.lines.map(([, list]) => times.map((_, i) => of(list, i) ?? null));
    if (panel.colours.length === 0) return { times, raw, drawn: raw, order: raw.map((_, i) => i) };
    const sums = times.map(() => 0);
    const stacked = raw.map((list) => list.map((v, i) => (sums[i] += v ?? 0)));
    const order = raw.map((_, i) => raw.length - 1 - i);
    return { times, raw, drawn: order.map((i) => stacked[i]), order };
  }

  function options(panel, { raw, order, drawn, times }, labelled) {
    const positive = drawn.flat().filter((v) => v > 0);
    // Latencies go over orders of magnitude.
    const log = panel.log || (panel.unit === "s" && positive.length > 0);
    const levels = positive.concat(panel.limits.map(([level]) => level));
    const range = log ? logRange(Math.min(...positive), Math.max(...levels)) : [panel.low, panel.high];
    const layers = panel.colours.length > 0;
    const series = order.map((line, i) => ({
      label: panel.lines[line][0] || panel.name,
      scale: "y",
      stroke: layers ? colour("--edge") : lineColour(i),
      width: layers ? 0.6 : 1.8,
      dash: layers ? undefined : DASHES[i % DASHES.length],
      fill: layers ? panel.colours[line] : undefined,
      points: { show: times.length < 60 && !layers ? undefined : false },
      value: (_, __, ___, at) => (at === null || at === undefined ? "" : show(raw[line][at], panel.unit)),
    }));
    const axis = { stroke: colour("--ink"), font: "12px system-ui, sans-serif", grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line") } };
    return {
      width: place.clientWidth,
      height: layers || panel.unit === "fraction" ? 190 : 240,
      scales: {
        x: { time: false, range: (_, min, max) => (min === null || max - min <= 0 ? [from, to] : [min, max]) },
        y: { distr: log ? 3 : 1, range: () => range },
      },
      axes: [
        { ...axis, values: (_, all) => all.map((at) => clock(at)), space: 90, incrs: TICKS },
        { ...axis, size: 78, label: panel.name, labelSize: 18, labelFont: "12px system-ui, sans-serif", values: (_, all) => all.map((v) => (v === null ? "" : show(v, panel.unit))) },
      ],
      series: [{ label: "at", value: (_, at) => (at === null ? "" : clock(at)) }, ...series],
      cursor: { drag: { x: true, y: false, dist: 6 }, sync: { key: "time", scales: ["x", null] }, focus: { prox: 30 } },
      focus: { alpha: 0.35 },
      hooks: {
        drawClear: [(chart) => shade(chart, panel)],
        draw: [(chart) => limits(chart, panel), (chart) => labelled && labels(chart, panel)],
        setScale: [(chart, key) => {
          if (key === "x" && charts.includes(chart)) zoom(chart.scales.x.min, chart.scales.x.max, chart);
        }],
      },
    };
  }

  /** What a chart has besides its lines: a name, the instant, and the way to another. */
  function equip(chart, name) {
    chart.ctx.canvas.setAttribute("role", "img");
    chart.ctx.canvas.setAttribute("aria-label", name);
    chart.over.append(make("div", { className: "instant" }));
    let at = 0;
    chart.over.addEventListener("mousedown", (event) => (at = event.clientX));
    chart.over.addEventListener("click", (event) => {
      if (Math.abs(event.clientX - at) > 4) return;
      stop();
      go(chart.posToVal(event.clientX - chart.over.getBoundingClientRect().left, "x"), true);
    });
    charts.push(chart);
  }

  function markInstant() {
    for (const chart of charts) {
      const mark = chart.over.querySelector(".instant");
      mark.style.left = `${chart.valToPos(time, "x")}px`;
      mark.style.display = time < from || time > to ? "none" : "";
      // Figures beside the names: those of the instant, unless one points at another.
      if (!(chart.cursor.left >= 0)) chart.setLegend({ idx: chart.valToIdx(time, "x") });
    }
  }

  function buildCharts() {
    charts.forEach((chart) => chart.destroy());
    charts = [];
    const tools = make("div", { className: "tools" }, whole, "Drag over a chart to look closer, at all of them; click to go to an instant.");
    place.replaceChildren(tools);
    for (const { title, note, panels } of data.shown.charts) {
      const figure = make("figure", { className: "chart" }, make("figcaption", {}, make("b", { textContent: title }), note));
      place.append(figure);
      panels.forEach((panel, i) => {
        const all = content(panel);
        if (all.times.length === 0) return;
        const chart = new uPlot(options(panel, all, i === 0), [all.times, ...all.drawn], figure);
        equip(chart, `${title}: ${panel.name}`);
      });
    }
    zoom(from, to);
  }

  function resize() {
    const width = place.clientWidth;
    charts.forEach((chart) => chart.setSize({ width, height: chart.height }));
    sized.hidden = Number(picture.querySelector("svg").getAttribute("width")) <= picture.clientWidth;
    // What scrolls can be reached by keys.
    for (const box of document.querySelectorAll(".wide, figure, pre")) {
      if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    }
    markInstant();
  }

  // ---- keys --------------------------------------------------------------------------------

  const KEYS = {
    " ": play,
    ArrowLeft: () => step(-1),
    ArrowRight: () => step(1),
    n: () => toEvent(true),
    p: () => toEvent(false),
    "]": () => look(true),
    "[": () => look(false),
    Home: () => {
      stop();
      go(0, true);
    },
    End: () => {
      stop();
      go(starts[last], true);
    },
  };

  function pressed(event) {
    const act = KEYS[event.key];
    const on = event.target instanceof Element ? event.target : body;
    // Who presses a button, chooses or writes means that.
    const busy = on.closest("select, textarea, input:not([type=range])") || (event.key === " " && on.closest("button, a, summary"));
    if (!act || busy || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  }

  // ---- together ----------------------------------------------------------------------------

  document.querySelectorAll(".live").forEach((element) => (element.hidden = false));
  buildLane();
  deck.append(controls, lane, scrub);
  buildLegend();
  buildHappened();
  let [shownWindow, shownLook] = [-1, null];
  followers.push((at, window) => {
    laneInstant.style.left = share(at);
    markInstant();
    sentenceAt(at, window);
    const span = spanAt(at);
    clockOut.textContent = span ? clock(at, 3) : clock(at);
    showMessages(at, span);
    const seen = span ? `${span.from} ${lookAt(span, at)}` : "";
    if (window === shownWindow && seen === shownLook) return;
    [shownWindow, shownLook] = [window, seen];
    scrub.value = String(window);
    scrub.setAttribute("aria-valuetext", clock(starts[window]));
    showPicture(window, span);
  });

  /** The sentence changes with the window, or with what has happened. */
  let said = "";
  function sentenceAt(at, window) {
    const happenedSo = data.events.filter(([then]) => then <= at + 1e-6).length;
    const faults = data.faults.filter(([start, end]) => start <= at + 1e-9 && at < end).length;
    const key = `${window} ${happenedSo} ${faults}`;
    if (key !== said) sentence(at, window);
    said = key;
  }

  buildCharts();
  resize();
  addEventListener("resize", resize);
  dark.addEventListener("change", buildCharts);
  addEventListener("hashchange", () => {
    const at = linked();
    if (at !== null) {
      stop();
      go(at);
    }
  });
  document.addEventListener("keydown", pressed);
  told();
  go(linked() ?? 0);
  body.dataset.ready = "true";
})();
