// What tables and citations gain from a script: sorting by a column, a filter, and copying.
"use strict";
(() => {
  const SORT_FROM = 4;
  const FILTER_FROM = 12;
  const element = (name, look, text) => Object.assign(document.createElement(name), { className: look, textContent: text });

  // "−0.13", "1,250", "34%", "<1%", "12–33%", "1.0e−04" as numbers, what has none as NaN.
  const value = (text) => {
    const plain = text.replaceAll("−", "-").replaceAll(",", "");
    const number = parseFloat(plain.replace(/^[^\d.+-]*/, ""));
    return plain.startsWith("<") ? number - 1e-9 : plain.startsWith(">") ? number + 1e-9 : number;
  };
  const compare = (a, b, numeric) => {
    if (!numeric) return a.localeCompare(b, "en", { numeric: true });
    const [x, y] = [value(a), value(b)];
    return Number.isNaN(x) || Number.isNaN(y) ? Number.isNaN(x) - Number.isNaN(y) : x - y;
  };

  const key = (cell) => cell.dataset.sort ?? cell.textContent;

  const sortable = (table) => {
    const body = table.tBodies[0];
    const given = [...body.rows];
    const heads = [...table.tHead.rows[0].cells];
    const sort = (head, at) => {
      const numeric = head.classList.contains("num");
      const turns = numeric ? ["descending", "ascending", "none"] : ["ascending", "descending", "none"];
      const next = turns[(turns.indexOf(head.getAttribute("aria-sort") || "none") + 1) % turns.length];
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      if (next !== "none") head.setAttribute("aria-sort", next);
      const way = next === "descending" ? -1 : 1;
      const rows = next === "none" ? given
        : [...given].sort((a, b) => way * compare(key(a.cells[at]), key(b.cells[at]), numeric));
      body.append(...rows);
    };
    heads.forEach((head, at) => {
      if (!head.textContent) return;
      const button = element("button", "sort", "");
      button.type = "button";
      button.append(...head.childNodes);
      button.addEventListener("click", () => sort(head, at));
      head.append(button);
    });
  };

  const say = element("p", "unseen", "");
  say.setAttribute("role", "status");
  document.querySelector("main").append(say);
  // A frame may not be let at the clipboard; the older way is asked then.
  const copied = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      const box = Object.assign(element("textarea", "unseen", ""), { value: text });
      document.body.append(box);
      box.select();
      const done = document.execCommand("copy");
      box.remove();
      return done;
    }
  };
  const copying = (text, what, label = "Copy") => {
    const button = element("button", "tool", label);
    button.type = "button";
    if (label === "Copy") button.append(element("span", "unseen", ` ${what}`));
    button.addEventListener("click", async () => {
      const done = await copied(text());
      button.firstChild.textContent = done ? "Copied" : "Not copied";
      say.textContent = `${button.firstChild.textContent} ${what}`;
      setTimeout(() => { button.firstChild.textContent = label; }, 2000);
    });
    return button;
  };

  // Tab-separated, as a spreadsheet takes it: the rows that the filter leaves, in the order shown.
  const plain = (table) => [...table.rows].filter((row) => !row.hidden)
    .map((row) => [...row.cells].map((cell) => cell.textContent.trim()).join("\t")).join("\n");

  const filter = (table, name) => {
    const rows = [...table.tBodies[0].rows];
    const box = element("input", "", "");
    box.type = "search";
    box.placeholder = "Filter rows";
    box.setAttribute("aria-label", `Filter rows: ${name}`);
    const count = element("span", "count", "");
    box.addEventListener("input", () => {
      const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
      rows.forEach((row) => {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
      });
      const shown = rows.filter((row) => !row.hidden).length;
      count.textContent = words.length ? `${shown} of ${rows.length} rows` : "";
    });
    return [box, count];
  };

  document.querySelectorAll("table.data").forEach((table) => {
    const length = table.tBodies[0].rows.length;
    if (length < SORT_FROM) return;
    sortable(table);
    if (table.closest(".tables")) return; // small ones side by side
    const name = table.caption ? table.caption.textContent : "table";
    const tools = element("div", "tools", "");
    if (length >= FILTER_FROM) tools.append(...filter(table, name));
    if (!table.matches(".classes")) tools.append(copying(() => plain(table), `the table “${name}”`));
    if (tools.children.length) (table.closest(".scroll") || table).before(tools);
  });
  document.querySelectorAll(".copied").forEach((text) => {
    const card = text.closest(".model-card");
    const what = card ? "the lines for the model card" : text.matches("code") ? "the BibTeX entry" : "the citation";
    const button = copying(() => text.textContent, what, card ? "Copy for the model card" : "Copy");
    (card || text.closest("pre") || text).after(button);
  });
})();
