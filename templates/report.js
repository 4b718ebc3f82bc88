// Filters over rows that are already there; the page is complete without this script.
(() => {
  "use strict";
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const one = (id) => document.getElementById(id);
  const rank = { low: 0, medium: 1, high: 2, critical: 3 };
  const tools = one("tools"), find = one("q"), severity = one("severity"), level = one("level");
  const chips = all("input[name=show]", tools);
  const rows = all("details.c").map((row) => ({
    row, verdict: row.classList[1], rank: rank[row.dataset.s], level: row.dataset.l, part: row.closest(".part"), text: "", there: false, at: "",
  }));
  const parts = all("#findings .part"), sections = all("#findings .section");

  // Many nodes: their names and sets of them come as data, read when they are first asked for.
  const node = one("node"), word = Object.fromEntries(chips.map((chip) => [chip.value, chip.nextElementSibling.firstChild.data.trim()]));
  let data, names = [];
  const load = () => {
    if (data) return;
    data = JSON.parse(one("data").textContent);
    let before = "";
    names = data.names.split("\n").map((line) => (before = before.slice(0, parseInt(line[0], 36)) + line.slice(1)));
  };
  const members = (text) => {
    const bits = new Uint8Array(names.length);
    if (text[0] === "*") {
      const bytes = atob(text.slice(1));
      return bits.map((_, at) => (bytes.charCodeAt(at >> 3) >> (at & 7)) & 1);
    }
    const others = text[0] === "!";
    if (others) bits.fill(1);
    let at = 0;
    for (const run of text.slice(others ? 1 : 0).split(",").filter(Boolean)) {
      const [gap, length = "1"] = run.split(".").map((digits) => parseInt(digits, 36));
      at += gap;
      bits.fill(others ? 0 : 1, at, at += Number(length));
    }
    return bits;
  };
  let verdicts;
  const verdictAt = (entry, place) => {
    verdicts ??= new Map(data.verdicts.map(([anchor, sets]) => [anchor, sets.map(([verdict, text]) => [verdict, members(text)])]));
    return verdicts.get(entry.row.lastElementChild.id)?.find(([, bits]) => bits[place])?.[0];
  };
  // The node that is meant: the one of this name, or the only one whose name holds the text.
  const meant = () => {
    const text = node?.value.trim().toLowerCase();
    if (!text) return { place: -1 };
    load();
    const found = names.flatMap((name, at) => (name.toLowerCase().includes(text) ? [at] : []));
    const exact = found.find((at) => names[at].toLowerCase() === text);
    return { place: exact ?? (found.length === 1 ? found[0] : -1), found };
  };

  // A row tells the verdict of the node that is meant, and beside it that over all; then its own again.
  const tell = (entry, verdict) => {
    const mark = entry.row.querySelector(".v"), where = entry.row.querySelector(".at");
    if (!entry.there) [entry.there, entry.at] = [true, where.textContent];
    const shown = verdict ?? entry.verdict;
    mark.className = `v ${shown}`;
    mark.textContent = word[shown];
    where.textContent = verdict === undefined ? entry.at : shown === entry.verdict ? "" : `overall: ${word[entry.verdict]}`;
  };

  const show = () => {
    const { place, found } = meant();
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    if (words.length && !rows[0]?.text) for (const entry of rows) entry.text = entry.row.textContent.toLowerCase();
    const shownVerdicts = new Set(chips.filter((chip) => chip.checked).map((chip) => chip.value));
    const least = severity.value ? rank[severity.value] : 0;
    const used = new Set();
    let shown = 0;
    for (const entry of rows) {
      const verdict = place < 0 ? entry.verdict : verdictAt(entry, place);
      if (place >= 0 || entry.there) tell(entry, place < 0 ? undefined : verdict);
      const fits = shownVerdicts.has(verdict) && entry.rank >= least && (!level?.value || entry.level === level.value)
        && words.every((word) => entry.text.includes(word));
      if (entry.row.hidden === fits) entry.row.hidden = !fits;
      if (fits) { shown += 1; used.add(entry.part); }
    }
    for (const part of parts) part.hidden = !used.has(part);
    for (const section of sections) section.hidden = all(".part", section).every((part) => part.hidden);
    const which = place >= 0 ? ` for ${names[place]}` : found ? `, ${found.length} nodes match` : "";
    one("shown").textContent = `${shown} of ${rows.length} shown${which}`;
    one("nothing").hidden = shown > 0;
    one("reset").hidden = shown === rows.length && !node?.value;
    label();
  };

  // The filter lives in the fragment, so that a filtered view is a link.
  const write = () => {
    const state = new URLSearchParams();
    const on = chips.filter((chip) => chip.checked).map((chip) => chip.value);
    if (on.length < chips.length) state.set("show", on.join(","));
    if (severity.value) state.set("severity", severity.value);
    if (level?.value) state.set("level", level.value);
    if (find.value.trim()) state.set("q", find.value.trim());
    if (node?.value.trim()) state.set("node", node.value.trim());
    const hash = state.toString();
    history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
  };
  const reset = () => {
    for (const chip of chips) chip.checked = true;
    severity.value = find.value = "";
    if (level) level.value = "";
    if (node) node.value = "";
  };
  const read = () => {
    const hash = location.hash.slice(1);
    const target = hash && one(decodeURIComponent(hash));
    if (target) {
      const row = target.closest("details.c");
      if (row?.hidden) { reset(); show(); }
      if (row) row.open = true;
      target.scrollIntoView();
      return;
    }
    if (!/^(show|severity|level|q|node)=/.test(hash)) return;
    const state = new URLSearchParams(hash);
    reset();
    if (state.has("show")) {
      const on = new Set(state.get("show").split(","));
      for (const chip of chips) chip.checked = on.has(chip.value);
    }
    severity.value = state.get("severity") ?? "";
    if (severity.selectedIndex < 0) severity.value = "";
    if (level) { level.value = state.get("level") ?? ""; if (level.selectedIndex < 0) level.value = ""; }
    find.value = state.get("q") ?? "";
    if (node) node.value = state.get("node") ?? "";
  };

  // Open and close what is shown.
  const visible = () => rows.filter((entry) => !entry.row.hidden);
  const label = () => {
    const some = visible();
    one("open").textContent = some.length && some.every((entry) => entry.row.open) ? "Close shown" : "Open shown";
  };
  one("open").addEventListener("click", () => {
    const some = visible(), open = !some.every((entry) => entry.row.open);
    for (const entry of some) entry.row.open = open;
    label();
  });

  const changed = () => { show(); write(); };
  find.addEventListener("input", changed);
  tools.addEventListener("change", (event) => { if (event.target !== find && event.target !== node) changed(); });
  node?.addEventListener("input", () => {
    changed();
    const { found = [] } = meant();
    one("names").replaceChildren(...found.slice(0, 20).map((at) => Object.assign(document.createElement("option"), { value: names[at] })));
  });
  one("reset").addEventListener("click", () => { reset(); changed(); find.focus(); });
  addEventListener("hashchange", () => { read(); show(); });

  // What is shown as a table of commas; a text that a table would take for a formula is none.
  one("csv").addEventListener("click", () => {
    const cell = (text) => `"${text.replace(/^[=+\-@\t\r]/, "'$&").replaceAll('"', '""')}"`;
    const text = (row, selector) => row.querySelector(selector)?.textContent.trim() ?? "";
    const lines = visible().map(({ row, level }) => [text(row, ".id"), text(row, ".v"), text(row, "h3, h4"), text(row, ".severity"), level, text(row, ".at")]);
    const csv = [["control", "verdict", "title", "severity", "level", "where"], ...lines].map((line) => line.map(cell).join(",")).join("\r\n");
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(new Blob([csv], { type: "text/csv" })), download: "controls.csv" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1_000);
  });

  // All names of a set of which its row tells some: offered when the drawer opens, drawn when they are asked for, 200 at a time.
  const offer = (cell) => {
    const more = Object.assign(document.createElement("details"), { className: "more" });
    more.append(Object.assign(document.createElement("summary"), { textContent: "all names" }));
    more.addEventListener("toggle", () => {
      load();
      const list = Object.assign(document.createElement("pre"), { tabIndex: 0, role: "group", ariaLabel: "Names" });
      const next = Object.assign(document.createElement("button"), { type: "button" });
      const bits = members(data.sets[cell.dataset.set]), rest = names.filter((_, at) => bits[at]);
      const draw = () => {
        list.append(`${rest.splice(0, 200).join("\n")}\n`);
        next.textContent = `Show 200 of ${rest.length} more`;
        next.hidden = rest.length === 0;
      };
      next.addEventListener("click", draw);
      more.append(list, next);
      draw();
    }, { once: true });
    cell.append(more);
  };
  for (const drawer of new Set(all("td[data-set]").map((cell) => cell.closest("details")))) {
    drawer.addEventListener("toggle", () => all("td[data-set]", drawer).forEach(offer), { once: true });
  }

  // Browsers that cannot open drawers on paper by style alone.
  if (!CSS.supports("selector(::details-content)")) {
    let closed = [];
    addEventListener("beforeprint", () => { closed = all("details:not([open])"); for (const row of closed) row.open = true; });
    addEventListener("afterprint", () => { for (const row of closed) row.open = false; });
  }

  tools.hidden = false;
  read();
  show();
})();
