(() => {
  const source = document.getElementById("map-data");
  if (!source) return;
  const data = JSON.parse(source.textContent), MISSING = 65535, UNIT = 65535, side = Math.max(data.width, data.height);
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const words = (text) => { // little-endian, whatever the machine
    const view = new DataView(bytes(text).buffer);
    return Uint16Array.from({ length: view.byteLength / 2 }, (_, i) => view.getUint16(2 * i, true));
  };
  const x = words(data.x), y = words(data.y), slide = words(data.slide), n = x.length;
  const layers = data.layers.map((l) => ({ ...l, codes: words(l.codes) }));
  const element = (tag, settings) => Object.assign(document.createElement(tag), settings);

  function valueOf(layer, i) {
    const code = layer.codes[i], [low, high] = layer.limits || [0, 1];
    if (layer.kind === "labels") return code === MISSING ? "missing" : layer.names[code];
    const value = low + code / 255 * (high - low);
    const digits = layer.digits ?? (high <= 1 ? 2 : 0);
    return (code === 255 && high > 1 ? "≥ " : "") + (digits ? value.toFixed(digits) : Math.round(value).toLocaleString("en"));
  }

  function makeView(root) {
    const canvas = root.querySelector("canvas"), context = canvas.getContext("2d"), legend = root.querySelector(".legend");
    const tip = root.querySelector(".tip"), ring = root.querySelector(".ring"), chooser = root.querySelector("select");
    let layer = layers[root.dataset.layer], hidden = new Set(), lit = null, frame = 0, fit = 1;

    function colorOf(i) { // number of the cell's colour; -1: faint
      const code = layer.codes[i];
      if (layer.kind === "numbers") return (code * (layer.colors.length - 1) / 255 + 0.5) | 0;
      return code === MISSING || hidden.has(code) || (lit !== null && lit !== code) ? -1 : code;
    }

    function outline(i) {
      const shape = data.slides[slide[i]], cx = x[i] / UNIT * side * fit, cy = y[i] / UNIT * side * fit;
      if (!shape.corners) {
        const r = Math.max(shape.diameter / 2 * fit, 0.6);
        context.moveTo(cx + r, cy);
        context.arc(cx, cy, r, 0, 2 * Math.PI);
        return;
      }
      shape.corners.forEach(([a, b], j) => { // 2 % larger: no seams
        const to = [cx + 1.02 * a * fit, cy + 1.02 * b * fit];
        if (j) context.lineTo(...to); else context.moveTo(...to);
      });
      context.closePath();
    }

    function draw() {
      frame = 0;
      const sharp = window.devicePixelRatio || 1, widest = Math.min(...views.map((v) => v.room()));
      fit = Math.min(widest / data.width, 560 / data.height); // the same in all views
      canvas.width = data.width * fit * sharp;
      canvas.height = data.height * fit * sharp;
      canvas.style.width = data.width * fit + "px";
      context.setTransform(sharp, 0, 0, sharp, 0, 0);
      const groups = new Map(), page = getComputedStyle(document.body);
      for (let i = 0; i < n; i++) {
        const c = colorOf(i);
        if (!groups.has(c)) groups.set(c, []);
        groups.get(c).push(i);
      }
      for (const [c, cells] of [...groups].sort((a, b) => a[0] - b[0])) { // faint ones first, below
        context.beginPath();
        cells.forEach(outline);
        context.fillStyle = c < 0 ? page.getPropertyValue("--rule") : layer.colors[c];
        context.fill();
      }
      if (data.slides.length < 2) return;
      context.fillStyle = page.color;
      context.font = "13px system-ui, sans-serif";
      context.textAlign = "center";
      for (const s of data.slides) context.fillText(s.name, s.top[0] * fit, Math.max(s.top[1] * fit, 12));
    }
    const room = () => root.clientWidth - (window.innerWidth > 640 ? legend.offsetWidth + 14 : 0);
    const redraw = () => { frame = frame || requestAnimationFrame(draw); };

    function explain() {
      legend.replaceChildren();
      if (layer.kind === "numbers") {
        const ramp = element("div", { className: "ramp" });
        ramp.style.background = `linear-gradient(to top, ${layer.colors.join(",")})`;
        legend.append(element("span", { textContent: layer.high }), ramp, element("span", { textContent: layer.low }));
        return;
      }
      layer.names.forEach((name, code) => {
        const button = element("button", { type: "button" }), swatch = element("i", { className: "swatch" });
        swatch.style.background = layer.colors[code];
        button.append(swatch, name);
        button.setAttribute("aria-pressed", true);
        button.onclick = () => {
          if (!hidden.delete(code)) hidden.add(code);
          button.setAttribute("aria-pressed", !hidden.has(code));
          lit = null;
          redraw();
        };
        button.onmouseenter = button.onfocus = () => { lit = hidden.has(code) ? null : code; redraw(); };
        button.onmouseleave = button.onblur = () => { lit = null; redraw(); };
        legend.append(button);
      });
    }

    function nearest(event) {
      const px = event.offsetX / fit / side * UNIT, py = event.offsetY / fit / side * UNIT;
      let best = -1, least = (12 / fit / side * UNIT) ** 2;
      for (let i = 0; i < n; i++) {
        const d = (x[i] - px) ** 2 + (y[i] - py) ** 2;
        if (d < least) { least = d; best = i; }
      }
      return best;
    }

    function point(i) { // ring around the same cell in every view
      ring.hidden = i < 0;
      if (i < 0) return;
      ring.style.left = x[i] / UNIT * side * fit + "px";
      ring.style.top = y[i] / UNIT * side * fit + "px";
    }

    canvas.onmousemove = (event) => {
      const i = nearest(event);
      views.forEach((v) => v.point(i));
      tip.hidden = i < 0;
      if (i < 0) return;
      const name = data.slides[slide[i]].name;
      tip.textContent = [...(name ? [`slide: ${name}`] : []), ...layers.map((l) => `${l.name}: ${valueOf(l, i)}`)].join("\n");
      const beyond = event.offsetX + 16 + tip.offsetWidth > canvas.clientWidth;
      tip.style.left = Math.max(0, event.offsetX + (beyond ? -tip.offsetWidth - 12 : 16)) + "px";
      tip.style.top = event.offsetY + 14 + "px";
    };
    canvas.onmouseleave = () => { tip.hidden = true; views.forEach((v) => v.point(-1)); };
    chooser.onchange = () => { layer = layers[chooser.value]; hidden = new Set(); lit = null; explain(); redrawAll(); };
    explain();
    return { point, redraw, draw, room };
  }

  const views = [...document.querySelectorAll(".view")].map(makeView);
  const redrawAll = () => views.forEach((v) => v.redraw());
  views.forEach((v) => v.draw());
  window.addEventListener("resize", redrawAll);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawAll);
})();
