// Finding by name: on the page of all names, from what stands there; elsewhere the form in the head leads to that page.
"use strict";
(() => {
  const [FIRST, MOST] = [6, 60];
  const results = document.querySelector(".results");
  const form = document.querySelector("form[role=search]");
  if (!form) return;
  // A frame that is sandboxed without allow-forms sends no form: what it would do is done here.
  const sent = (act) => form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing) return;
    event.preventDefault();
    act();
  });
  if (!results) {
    sent(() => { location.href = `${form.action}?${new URLSearchParams(new FormData(form))}`; });
    return;
  }
  const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
  const kinds = ["Class", "Layer", "Neuron group", "Neuron", "Picture"];
  const page = results.parentElement;

  // Each name with what it belongs to, and all words it may be found by.
  // A layer's neurons, where a report has too many to list, stand as numbers: their links are made here.
  const made = [...page.querySelectorAll("[data-neurons]")].flatMap((line) => {
    const at = line.querySelector("a").getAttribute("href").slice(0, -"neurons".length);
    return line.dataset.neurons.split(" ").map((number) => {
      const link = Object.assign(document.createElement("a"), { href: `${at}n${number}`, textContent: `n${number}` });
      link.dataset.kind = "Neuron";
      return { link, place: line };
    });
  });
  const listed = [...page.querySelectorAll("a[data-kind]")].map((link) => ({ link, place: link }));
  const entries = [...listed, ...made].map(({ link, place }) => {
    const owners = [];
    for (let box = place.closest("[data-name]"); box; box = box.parentElement.closest("[data-name]")) {
      if (box.dataset.name !== link.textContent) owners.push(box.dataset.name);
    }
    const near = (what) => link.parentElement?.querySelector(what)?.textContent ?? "";
    const [beside, share] = [near("a + span"), near("small")];
    const name = plain(link.textContent);
    const said = plain([...owners, beside, link.dataset.kind].join(" "));
    return { link, owners, beside, share, of: place.closest(".names"), name, words: `${name} ${said}`.split(/[\s,;:/]+/).filter(Boolean) };
  });
  const rank = (entry, word) => {
    if (entry.name === word || entry.name.replace(/^[gn](?=\d)/, "") === word) return 0;
    if (entry.words.includes(word)) return 1;
    return entry.words.some((other) => other.startsWith(word)) ? 2 : NaN;
  };
  const part = (share) => parseFloat(share.replace(/^[<>]/, "")) || 0;
  // By class, the class with the best find first; of finds as good, kind by kind, the largest share first.
  const find = (text) => {
    const words = plain(text).split(/[\s,;:/]+/).filter(Boolean);
    const found = new Map();
    entries.map((entry) => ({ entry, score: words.reduce((sum, word) => sum + rank(entry, word), 0) }))
      .filter(({ score }) => words.length && !Number.isNaN(score))
      .sort((a, b) => a.score - b.score
        || kinds.indexOf(a.entry.link.dataset.kind) - kinds.indexOf(b.entry.link.dataset.kind)
        || part(b.entry.share) - part(a.entry.share))
      .forEach(({ entry }) => found.set(entry.of, [...(found.get(entry.of) || []), entry]));
    return found;
  };

  const names = page.querySelectorAll(".names");
  const input = form.elements.q;
  const field = page.querySelector(".find");
  const own = field.querySelector("input");
  field.hidden = false;
  const list = results.querySelector("div");
  const head = results.querySelector("h2");
  head.setAttribute("role", "status");
  const element = (name, look, ...inside) => {
    const one = Object.assign(document.createElement(name), { className: look });
    one.append(...inside);
    return one;
  };
  const line = ({ link, owners, beside, share }) => {
    const copy = link.cloneNode(true);
    const [kind, patch] = [link.dataset.kind, copy.querySelector(".patch") || element("span", "patch")];
    copy.removeAttribute("data-kind");
    patch.remove();
    const named = beside && kind.startsWith("Neuron");
    if (named) copy.textContent = `${beside} · ${link.textContent}`;
    const told = [kind.toLowerCase(), ...owners.slice(0, -1), named ? "" : beside].filter(Boolean).join(" · ");
    const item = element("li", "", patch, element("span", "", copy, " ", element("span", named ? "note under" : "note", told)));
    if (share) item.append(element("span", "part", share));
    item.style.setProperty("--share", part(share) / 100);
    return item;
  };
  const lines = (found) => element("ol", "", ...found.map(line));
  const group = (section, found) => {
    const thumb = section.querySelector(".thumb");
    const title = element("h3", "", ...(thumb ? [thumb.cloneNode(true)] : []), section.dataset.name, " ", element("span", "note", String(found.length)));
    const rest = found.slice(FIRST, MOST);
    const box = element("div", "of-class", title, lines(found.slice(0, FIRST)));
    if (rest.length) {
      const more = element("details", "", element("summary", "", `${found.length - FIRST} more`), lines(rest));
      if (found.length > MOST) more.append(element("p", "note", `The first ${MOST}; another word narrows it down.`));
      box.append(more);
    }
    return box;
  };
  const show = () => {
    const found = find(input.value);
    results.hidden = !input.value.trim();
    names.forEach((one) => { one.hidden = !results.hidden; });
    const all = [...found.values()].reduce((sum, own) => sum + own.length, 0);
    head.textContent = all ? `${all} found in ${found.size} class${found.size > 1 ? "es" : ""}` : "Nothing found";
    list.replaceChildren(...[...found].map(([section, own]) => group(section, own)));
  };
  input.addEventListener("input", () => { own.value = input.value; show(); });
  own.addEventListener("input", () => { input.value = own.value; show(); });
  const go = () => {
    show();
    const place = new URL(form.action).hash;
    const first = list.querySelector("li a");
    if (place && !results.parentElement.checkVisibility()) {
      const link = document.createElement("a");
      link.setAttribute("href", place);
      form.append(link);
      link.click();
      link.remove();
    } else if (first) first.click();
  };
  form.addEventListener("submit", (event) => { event.preventDefault(); go(); });
  sent(go);
  own.addEventListener("keydown", (event) => { if (event.key === "Enter" && !event.isComposing) go(); });
  own.value = input.value = new URLSearchParams(location.search).get("q") || "";
  show();
})();
