"use strict";
// The gallery and the theme. Everything else of the report is plain HTML and needs no script.
const byId = id => document.getElementById(id);
const root = document.documentElement;
const samples = JSON.parse(byId("samples").textContent);
const pageSize = 60;
let visible = [], drawn = 0;

function element(tag, name, text) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text !== undefined) made.textContent = text;
  return made;
}

function boxes(list, name) {
  return list.map(([x1, y1, x2, y2]) => {
    const at = `x="${Math.min(x1, x2)}" y="${Math.min(y1, y2)}" width="${Math.abs(x2 - x1)}" height="${Math.abs(y2 - y1)}"`;
    return `<rect class="under" ${at}/><rect class="${name}" ${at}/>`; // numbers only, so this is safe
  }).join("");
}

function picture(sample) {
  const outer = element("div", "picture");
  const frame = element("div", "frame " + (sample.w >= sample.h ? "wide" : "tall"));
  frame.style.aspectRatio = `${sample.w} / ${sample.h}`;
  const source = sample.i === undefined ? null : byId("i" + sample.i);
  if (source) {
    const image = element("img");
    image.alt = `${sample.c}, sample ${sample.n}`;
    image.src = "data:image/jpeg;base64," + source.textContent;
    frame.append(image);
  }
  frame.insertAdjacentHTML("beforeend",
    `<svg viewBox="0 0 ${sample.w} ${sample.h}" preserveAspectRatio="none" aria-hidden="true">${boxes(sample.t, "truth")}${boxes(sample.p, "answer")}</svg>`);
  outer.append(frame);
  return outer;
}

function caption(sample) {
  const box = element("div", "caption");
  const top = element("div", "top");
  top.append(element("span", "", sample.c), element("span", "iou", "IoU " + sample.iou.toFixed(3)));
  box.append(top);
  if (sample.x !== undefined) box.append(element("span", "", sample.x));
  if (sample.a !== undefined) box.append(element("code", "", sample.a));
  const facts = [`Dice ${sample.dice.toFixed(3)}`];
  if (sample.s !== undefined) facts.push(`confidence ${sample.s.toFixed(2)}`);
  facts.push(sample.id !== undefined ? sample.id : `sample ${sample.n}`);
  box.append(element("span", "text", facts.join(" · ")));
  if (sample.f) box.append(element("span", "flaw", sample.f));
  return box;
}

function card(sample, position) {
  const made = element("div", "card");
  made.tabIndex = 0;
  made.setAttribute("role", "button"); // a screen reader says the label and that it opens
  made.setAttribute("aria-haspopup", "dialog");
  made.setAttribute("aria-label", [sample.c, `IoU ${sample.iou.toFixed(3)}`, sample.f, sample.x].filter(Boolean).join(", "));
  made.dataset.iou = sample.iou;
  made.dataset.class = sample.c;
  made.append(picture(sample), caption(sample));
  made.addEventListener("click", () => enlarge(position));
  made.addEventListener("keydown", event => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault(); // a space would scroll
    enlarge(position);
  });
  return made;
}

function drawMore() {
  const part = document.createDocumentFragment();
  for (const end = Math.min(drawn + pageSize, visible.length); drawn < end; drawn++) part.append(card(visible[drawn], drawn));
  byId("gallery").append(part);
  byId("more").hidden = drawn >= visible.length;
  printed();
}

function printed() { // what the controls say, for paper, where they are not
  const chosen = id => byId(id).selectedOptions[0].textContent;
  const words = byId("search") ? byId("search").value.trim() : "";
  const count = drawn < visible.length ? `the first ${drawn} of ${visible.length.toLocaleString("en")} samples` : `${drawn} samples`;
  const filter = `Class: ${chosen("class")}. Outcome: ${chosen("outcome")}.${words ? ` Words: ${words}.` : ""}`;
  const [truth, answer] = ["truth", "answer"].map(name => {
    const key = element("span", "key", name === "truth" ? "true box" : "answered box");
    key.prepend(element("i", name));
    return key;
  });
  byId("printed").replaceChildren(`${filter} Shown: ${count}, ${chosen("order")}. `, truth, " ", answer);
}

const outcomes = {
  all: () => true,
  good: sample => sample.iou > 0.5,
  poor: sample => sample.iou <= 0.5 && sample.iou > 0,
  zero: sample => sample.iou === 0,
  flawed: sample => Boolean(sample.f),
};
const orders = {
  best: (a, b) => b.iou - a.iou || a.n - b.n,
  worst: (a, b) => a.iou - b.iou || a.n - b.n,
  file: (a, b) => a.n - b.n,
  sure: (a, b) => (b.s ?? -1) - (a.s ?? -1) || a.n - b.n,
};

function update() {
  const wanted = byId("class").value, outcome = outcomes[byId("outcome").value];
  const words = byId("search") ? byId("search").value.trim().toLowerCase().split(/\s+/) : [];
  visible = samples.filter(sample => (!wanted || sample.c === wanted) && outcome(sample) &&
    words.every(word => (sample.x ?? "").toLowerCase().includes(word) || (sample.id ?? "").toLowerCase().includes(word)));
  visible.sort(orders[byId("order").value]);
  byId("gallery").replaceChildren();
  drawn = 0;
  drawMore();
  byId("shown").textContent = `${visible.length.toLocaleString("en")} of ${samples.length.toLocaleString("en")}`;
}

let open = -1;
function enlarge(position) {
  if (position < 0 || position >= visible.length) return;
  open = position;
  byId("large").replaceChildren(picture(visible[position]), caption(visible[position]));
  byId("place").textContent = `${(position + 1).toLocaleString("en")} of ${visible.length.toLocaleString("en")}`;
  fit();
  if (!byId("dialog").open) byId("dialog").showModal();
}

function fit() { // the frame keeps the picture's shape inside the dialog, whichever side is tight
  const sample = visible[open], outer = byId("large").firstChild, frame = outer.firstChild;
  requestAnimationFrame(() => frame.className = "frame " + (sample.w / sample.h > outer.clientWidth / outer.clientHeight ? "wide" : "tall"));
}

addEventListener("resize", () => { if (byId("dialog").open) fit(); });

function colors() {
  const [truth, answer] = byId("colors").value === "own" ? [byId("truth").value, byId("answer").value] : byId("colors").value.split(",");
  [byId("truth").value, byId("answer").value] = [truth, answer];
  root.style.setProperty("--truth", truth);
  root.style.setProperty("--answer", answer);
}

for (const id of ["class", "outcome", "order"]) byId(id).addEventListener("change", update);
byId("search")?.addEventListener("input", update);
byId("more").addEventListener("click", drawMore);
byId("colors").addEventListener("change", colors);
for (const id of ["truth", "answer"]) byId(id).addEventListener("input", () => { byId("colors").value = "own"; colors(); });
byId("dialog").addEventListener("click", event => { if (event.target === byId("dialog")) byId("dialog").close(); });
for (const [id, by] of [["previous", -1], ["next", 1]]) byId(id).addEventListener("click", () => enlarge(open + by));
byId("close").addEventListener("click", () => byId("dialog").close());
byId("dialog").addEventListener("keydown", event => {
  if (event.key === "ArrowRight") enlarge(open + 1);
  if (event.key === "ArrowLeft") enlarge(open - 1);
});
new IntersectionObserver(seen => { if (seen[0].isIntersecting && !byId("more").hidden) drawMore(); }, { rootMargin: "600px" }).observe(byId("more"));

const prefersDark = matchMedia("(prefers-color-scheme: dark)");
function theme(name) {
  root.dataset.theme = name;
  byId("theme").textContent = name === "dark" ? "Light" : "Dark";
}
theme(prefersDark.matches ? "dark" : "light");
prefersDark.addEventListener("change", event => theme(event.matches ? "dark" : "light"));
byId("theme").addEventListener("click", () => theme(root.dataset.theme === "dark" ? "light" : "dark"));

colors();
update();
