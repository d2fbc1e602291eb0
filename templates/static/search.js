// Finding by name: on the page of all names, from what stands there; elsewhere the form in the head leads to that page.
"use strict";
(() => {
  const MOST = 60;
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
    const beside = link.nextElementSibling ? link.nextElementSibling.textContent : "";
    const name = plain(link.textContent);
    const said = plain([...owners, beside, link.dataset.kind].join(" "));
    return { link, owners, beside, name, words: `${name} ${said}`.split(/[\s,;:/]+/).filter(Boolean) };
  });
  const rank = (entry, word) => {
    if (entry.name === word || entry.name.replace(/^[gn](?=\d)/, "") === word) return 0;
    if (entry.words.includes(word)) return 1;
    return entry.words.some((other) => other.startsWith(word)) ? 2 : NaN;
  };
  const find = (text) => {
    const words = plain(text).split(/[\s,;:/]+/).filter(Boolean);
    return entries.map((entry) => ({ entry, score: words.reduce((sum, word) => sum + rank(entry, word), 0) }))
      .filter((found) => words.length && !Number.isNaN(found.score))
      .sort((a, b) => a.score - b.score || kinds.indexOf(a.entry.link.dataset.kind) - kinds.indexOf(b.entry.link.dataset.kind))
      .map((found) => found.entry);
  };

  const names = page.querySelectorAll(".names");
  const input = form.elements.q;
  const list = results.querySelector("ol");
  const head = results.querySelector("h2");
  head.setAttribute("role", "status");
  const show = () => {
    const found = find(input.value);
    results.hidden = !input.value.trim();
    names.forEach((one) => { one.hidden = !results.hidden; });
    head.textContent = found.length ? `${found.length} found` : "Nothing found";
    list.replaceChildren(...found.slice(0, MOST).map(({ link, owners, beside }) => {
      const item = document.createElement("li");
      const copy = link.cloneNode(true);
      copy.removeAttribute("data-kind");
      const named = beside && link.dataset.kind === "Neuron group";
      if (named) copy.textContent = `${beside} · ${link.textContent}`;
      item.append(copy, ` ${[link.dataset.kind.toLowerCase(), ...owners, named ? "" : beside].filter(Boolean).join(" · ")}`);
      return item;
    }));
    if (found.length > MOST) list.append(Object.assign(document.createElement("li"), { textContent: `and ${found.length - MOST} more` }));
  };
  input.addEventListener("input", show);
  const go = () => {
    show();
    const place = new URL(form.action).hash;
    const first = list.querySelector("a");
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
  input.value = new URLSearchParams(location.search).get("q") || "";
  show();
})();
