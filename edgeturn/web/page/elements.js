// Making elements: children are text or elements, never markup, so nothing that a stranger is called becomes part of the page.

const SVG = "http://www.w3.org/2000/svg";

/** Return an element; attributes whose names begin with "on" are listeners, false and null leave one away. */
export function h(tag, attributes = {}, ...children) {
  const made = tag === "svg" || tag === "path" || tag === "line" ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((each) => each !== null && each !== undefined && each !== false));
  return made;
}

/** Put these in place of all that an element has. */
export function show(place, ...children) {
  place.replaceChildren(...children.flat().filter((each) => each !== null && each !== undefined && each !== false));
}

/** Return a box with a sentence; kind: good, bad or mild. */
export const told = (kind, ...children) => h("div", { class: `told ${kind}`, role: kind === "bad" ? "alert" : "status" }, ...children);

/** Return a sentence's parts: what stands between backticks is for a shell or a file. */
export const marked = (text) => text.split("`").map((part, at) => (at % 2 ? h("code", {}, part) : part));

/** Say something for a few seconds, to eyes and ears. */
export function say(text) {
  const place = document.getElementById("said");
  show(place, h("p", {}, text));
  clearTimeout(say.timer);
  say.timer = setTimeout(() => show(place), 6000);
}

/** Return a button whose work can't be started twice, and whose failure is said. */
export function button(label, work, attributes = {}) {
  const made = h("button", { type: "button", ...attributes }, label);
  made.addEventListener("click", async () => {
    made.disabled = true;
    await Promise.resolve().then(work).catch((error) => say(error.message));
    made.disabled = false;
  });
  return made;
}

/** Return a button that has to be pressed twice. */
export function dangerous(label, question, work, attributes = {}) {
  const made = h("button", { type: "button", class: "danger", ...attributes }, label);
  const disarm = () => { made.classList.remove("armed"); made.textContent = label; };
  made.addEventListener("click", async () => {
    if (!made.classList.contains("armed")) {
      made.classList.add("armed");
      made.textContent = question;
      setTimeout(disarm, 4000);
      return;
    }
    disarm();
    made.disabled = true;
    await Promise.resolve().then(work).catch((error) => say(error.message));
    made.disabled = false;
  });
  return made;
}

/** Return a form of fields with a submit button; work is given the values by name. */
export function form(fields, label, work, attributes = {}) {
  const submit = h("button", { type: "submit", class: "main" }, label);
  const made = h("form", { class: "row", ...attributes }, ...fields, submit);
  made.addEventListener("submit", async (event) => {
    event.preventDefault();
    submit.disabled = true;
    await Promise.resolve(Object.fromEntries(new FormData(made))).then(work).catch((error) => say(error.message));
    submit.disabled = false;
  });
  return made;
}

/** Return a labelled input. */
export const field = (label, name, attributes = {}) => h("label", {}, label, h("input", { name, autocomplete: "off", ...attributes }));

/** Return a labelled choice; options: [value, text]. */
export const choice = (label, name, options, chosen) =>
  h("label", {}, label, h("select", { name }, options.map(([value, text]) => h("option", { value, selected: value === chosen }, text))));

/** Return a table that becomes cards on a telephone; columns: names, rows: arrays of children. */
export function table(caption, columns, rows, none) {
  if (!rows.length) return h("p", { class: "faint" }, none);
  return h("table", { class: "stack" },
    h("caption", {}, caption),
    h("thead", {}, h("tr", {}, columns.map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell, at) =>
      h("td", columns[at] ? { "data-label": columns[at] } : { class: "act" }, ...[cell].flat()))))));
}

/** Return a text in a box with a button that copies it. */
export function copyable(text, label = "Copy") {
  return h("div", { class: "copyable" }, h("pre", { tabindex: 0 }, text), button(label, () => copy(text), { "data-copies": "" }));
}

/** Copy a text; where the page came by plain HTTP, browsers have only the old way. */
export async function copy(text) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
  } else {
    const area = h("textarea", { class: "skip" }, text);
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    if (!done) throw new Error("The browser doesn't allow copying: mark the text yourself.");
  }
  say("Copied.");
}

/** Return a number of bytes for people. */
export function bytes(count) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let at = 0;
  while (count >= 1000 && at < units.length - 1) { count /= 1000; at += 1; }
  return `${count >= 100 || at === 0 ? Math.round(count) : count.toFixed(1)}\u00a0${units[at]}`;
}

/** Return bits a second for people. */
export const rate = (bits) => `${bytes(bits).replace("KB", "kB").replace("B", "bit")}/s`;

/** Return seconds for people, in the two largest units. */
export function duration(seconds) {
  const parts = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const first = Math.max(0, parts.findIndex(([, size]) => seconds >= size));
  if (seconds < 1) return "0\u00a0s";
  const [unit, size] = parts[first];
  const rest = parts[first + 1] && Math.floor((seconds % size) / parts[first + 1][1]);
  return `${Math.floor(seconds / size)}\u00a0${unit}${rest ? ` ${rest}\u00a0${parts[first + 1][0]}` : ""}`;
}
