"use strict";
// Comfort only: without this script every number, figure and explanation is still there.
(() => {
  const each = (selector, act, root = document) => root.querySelectorAll(selector).forEach(act);
  const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

  // Sorting. A body of several blocks keeps each block together, by its first row.
  const keyOf = (unit, column) => {
    const cell = (unit.rows ? unit.rows[0] : unit).cells[column];
    const text = cell.textContent.trim();
    if (cell.dataset.value !== undefined) return Number(cell.dataset.value);
    return text === "" || cell.querySelector(".missing") ? null : text;
  };
  const compare = (a, b) => {
    if (typeof a === "number" && typeof b === "number") return a - b;
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
    return collator.compare(a, b);
  };
  const inOrder = (units, column, direction) => {
    const keyed = units.map((unit) => [keyOf(unit, column), unit]);
    const known = keyed.filter(([key]) => key !== null);
    const unknown = keyed.filter(([key]) => key === null);
    known.sort(([a], [b]) => direction * compare(a, b));
    return [...known, ...unknown].map(([, unit]) => unit);
  };
  const NEXT = { none: "ascending", ascending: "descending", descending: "none" };
  const makeSortable = (table) => {
    const isBlocked = table.tBodies.length > 1;
    const parent = isBlocked ? table : table.tBodies[0];
    const original = [...(isBlocked ? table.tBodies : parent.rows)];
    const heads = [...table.tHead.rows[0].cells];
    const sort = (column) => {
      const wanted = NEXT[heads[column].getAttribute("aria-sort") ?? "none"];
      const isSorted = wanted !== "none";
      heads.forEach((head) => head.removeAttribute("aria-sort"));
      if (isSorted) heads[column].setAttribute("aria-sort", wanted);
      const direction = wanted === "descending" ? -1 : 1;
      parent.append(...(isSorted ? inOrder(original, column, direction) : original));
      table.classList.toggle("sorted", isSorted && !isBlocked);
    };
    heads.forEach((head, column) => {
      const title = head.querySelector(".head");
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...title.childNodes);
      button.addEventListener("click", () => sort(column));
      title.append(button);
    });
  };
  each("table.sortable", makeSortable);

  // Explanations open next to their button, and close when the page moves under them.
  const MARGIN = 8;
  const place = (button) => {
    const tip = document.getElementById(button.getAttribute("popovertarget"));
    const box = button.getBoundingClientRect();
    const width = Math.min(320, innerWidth - 2 * MARGIN);
    const left = Math.max(MARGIN, Math.min(box.left, innerWidth - width - MARGIN));
    const isLow = box.bottom > 0.7 * innerHeight;
    tip.style.margin = "0";
    tip.style.inset = "auto";
    tip.style.left = `${left}px`;
    tip.style.width = `${width}px`;
    if (isLow) tip.style.bottom = `${innerHeight - box.top + MARGIN}px`;
    else tip.style.top = `${box.bottom + MARGIN}px`;
  };
  each("button.tip", (button) => button.addEventListener("click", () => place(button)));
  addEventListener("scroll", () => each(":popover-open", (tip) => tip.hidePopover()), {
    capture: true,
    passive: true,
  });

  // The navigation shows where the reader is.
  const links = new Map();
  each("nav a", (link) => links.set(link.hash.slice(1), link));
  const nav = document.querySelector("nav");
  const mark = (id) => {
    links.forEach((link) => link.removeAttribute("aria-current"));
    const link = links.get(id);
    link.setAttribute("aria-current", "true");
    if (nav.scrollHeight > nav.clientHeight) {
      nav.scrollTop = link.offsetTop - nav.clientHeight / 2;
    }
  };
  const watch = new IntersectionObserver(
    (entries) => entries.filter((e) => e.isIntersecting).forEach((e) => mark(e.target.id)),
    { rootMargin: "-20% 0px -75% 0px" },
  );
  each("main section", (section) => watch.observe(section));

  // Folded tables: all at once, and all of them on paper.
  const folded = [...document.querySelectorAll("details")];
  if (folded.length > 0) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "unfold";
    const say = () => {
      button.textContent = folded.every((d) => d.open) ? "Fold all tables" : "Open all tables";
    };
    button.addEventListener("click", () => {
      const open = !folded.every((d) => d.open);
      folded.forEach((d) => { d.open = open; });
    });
    folded.forEach((d) => d.addEventListener("toggle", say));
    say();
    nav.append(button);
  }
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = folded.filter((d) => !d.open);
    closed.forEach((d) => { d.open = true; });
  });
  addEventListener("afterprint", () => closed.forEach((d) => { d.open = false; }));
})();
