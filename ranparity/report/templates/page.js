"use strict";
// Filters and sorts tables whose wrapper has data-searched, and opens what a link leads into.
// Without it the page says the same.

(() => {
  const order = new Intl.Collator("en", { numeric: true });

  function made(tag, properties, ...children) {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  }

  function figure(cell) {
    const words = cell.textContent.replace(/[✓✗,\s]/gu, "");
    return words === "inf" ? Infinity : parseFloat(words);
  }

  // Cells that say nothing come last, whichever way the others are sorted.
  function compare(one, other, isNumber, way) {
    const [a, b] = [one.textContent.trim(), other.textContent.trim()];
    if (!a || !b) return (a ? 0 : 1) - (b ? 0 : 1);
    if (!isNumber) return way * order.compare(a, b);
    const [x, y] = [figure(one), figure(other)];
    return x === y ? 0 : way * (x < y ? -1 : 1);
  }

  function verdict(row) {
    if (row.querySelector(".fail")) return "differs";
    return row.querySelector(".pass") ? "agrees" : "not compared";
  }

  function choice(label, values, changed) {
    const select = made("select", {}, made("option", { value: "" }, "all"));
    values.forEach((value) => select.append(made("option", { value }, value)));
    select.addEventListener("change", changed);
    return [select, made("label", {}, `${label} `, select)];
  }

  function tools(wrapper) {
    const table = wrapper.querySelector("table");
    const body = table.tBodies[0];
    const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
    const all = [...body.rows];
    const last = table.classList.contains("summed") ? all.pop() : null;
    const verdicts = new Map(all.map((row) => [row, verdict(row)]));
    const words = new Map(all.map((row) => [row, row.textContent.toLowerCase()]));
    const first = all.find((row) => verdicts.get(row) === "differs");
    const found = made("output", {});

    const search = made("input", { type: "search", autocomplete: "off" });
    search.addEventListener("input", show);
    const bar = made("div", { className: "tools" }, made("label", {}, "Filter ", search));
    const choices = heads.flatMap((head, place) => {
      if (!("choice" in head.dataset)) return [];
      const values = new Set(all.map((row) => row.cells[place].textContent.trim()));
      const title = head.textContent.trim();
      const [select, label] = choice(title, [...values].filter(Boolean).sort(), show);
      bar.append(label);
      return [[place, select]];
    });
    const kinds = [...new Set(verdicts.values())].sort();
    const [select, label] = choice("Verdict", kinds, show);
    if (kinds.length > 1 || first) bar.append(label);
    const jump = made("button", { type: "button", disabled: !first });
    jump.textContent = first ? "Go to the first difference" : "No difference";
    jump.addEventListener("click", () => {
      search.value = select.value = "";
      choices.forEach(([, each]) => { each.value = ""; });
      show();
      first.tabIndex = -1;
      first.focus();
      first.scrollIntoView({ block: "center" });
    });
    bar.append(jump, found);
    wrapper.before(bar);

    function show() {
      const asked = search.value.trim().toLowerCase();
      let count = 0;
      all.forEach((row) => {
        const fits = words.get(row).includes(asked)
          && (!select.value || verdicts.get(row) === select.value)
          && choices.every(([place, each]) =>
            !each.value || row.cells[place].textContent.trim() === each.value);
        row.hidden = !fits;
        count += fits;
      });
      if (last) last.hidden = count < all.length;
      found.textContent = count < all.length ? `${count} of ${all.length} rows` : `${count} rows`;
    }

    // A first click sorts up, a second down, a third goes back to the order of the net.
    function sort(place) {
      const head = heads[place];
      const before = head.getAttribute("aria-sort");
      const way = before === "ascending" ? -1 : before === "descending" ? 0 : 1;
      heads.forEach((each) => each.removeAttribute("aria-sort"));
      const rows = [...all];
      if (way) {
        head.setAttribute("aria-sort", way > 0 ? "ascending" : "descending");
        const isNumber = head.classList.contains("number");
        rows.sort((a, b) => compare(a.cells[place], b.cells[place], isNumber, way));
      }
      body.append(...rows, ...(last ? [last] : []));
    }

    heads.forEach((head, place) => {
      const button = made("button", { type: "button", title: "Sort" });
      button.append(...head.childNodes);
      button.addEventListener("click", () => sort(place));
      head.append(button);
    });
    show();
  }

  // A table's tools are made when it is first seen: most are folded away.
  function prepare(wrapper) {
    const folded = wrapper.closest("details:not([open])");
    if (!folded) return tools(wrapper);
    folded.addEventListener("toggle", () => prepare(wrapper), { once: true });
  }

  function reveal() {
    const target = document.getElementById(location.hash.slice(1));
    if (!target) return;
    for (let each = target; each; each = each.parentElement) {
      if (each instanceof HTMLDetailsElement) each.open = true;
    }
    target.scrollIntoView();
  }

  document.querySelectorAll("[data-searched]").forEach(prepare);
  addEventListener("hashchange", reveal);
  // What is folded is printed too.
  addEventListener("beforeprint", () => {
    document.querySelectorAll("details:not(.attachment)").forEach((each) => { each.open = true; });
  });
  reveal();
})();
