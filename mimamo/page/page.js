"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const content = JSON.parse($("content").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const TRAIL = 3; // seconds of the path in the plane
  const HEIGHT = 150; // of a chart, pixels
  const film = $("film");
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const colour = (person) => video.people[person].colours[dark.matches ? 1 : 0];
  /** What each person's lines are: whose, what they are called, the values, and whether they are the truth. */
  const lines = () => video.people.flatMap((person, k) => [{ k, name: person.name, values: person.values },
    ...(person.truth ? [{ k, name: video.people.length > 1 ? `${person.name}: truth` : "truth", values: person.truth, truth: true }] : [])]);
  const ink = (line) => (line.truth ? style("--ink") : colour(line.k));

  let video = null; // the one of content.videos that is shown
  let shown = []; // which people are
  let broken = new Set(); // the frames right before which others are missing
  let index = 0; // the frame
  let charts = [];
  let limit = 1;
  let address = null;
  let clock = null; // what plays where there is no film

  // Time ---------------------------------------------------------------------------------------

  const frameAt = (time) => timeline.at(video.times, time);

  function go(frame) {
    index = Math.max(0, Math.min(video.times.length - 1, frame));
    const time = timeline.moment(video.times, index);
    // At the end, going to where it is would make Chromium go on to the film's duration.
    if (video.film && Math.abs(film.currentTime - time) > 1e-3) film.currentTime = time;
    draw();
    tell();
  }

  const playing = () => (video.film ? !film.paused && !film.ended : clock !== null);

  function play(on) {
    if (video.film) {
      if (on) { if (index === video.times.length - 1) film.currentTime = 0; film.play(); }
      else if (!film.paused) { film.pause(); index = frameAt(film.currentTime); draw(); } // what is shown may lag
    } else if (on && clock === null) {
      if (index === video.times.length - 1) index = 0;
      const from = performance.now() - 1000 * video.times[index];
      const step = (now) => {
        index = frameAt((now - from) / 1000);
        draw();
        clock = index < video.times.length - 1 ? requestAnimationFrame(step) : null;
        if (clock === null) label();
      };
      clock = requestAnimationFrame(step);
    } else if (!on && clock !== null) {
      cancelAnimationFrame(clock);
      clock = null;
    }
    label();
    if (!on) tell();
  }

  function label() {
    const text = playing() ? "Pause" : "Play";
    $("play").textContent = text;
    $("play").setAttribute("aria-label", text);
  }

  // What is drawn at each frame ----------------------------------------------------------------

  const number = (value) => (value === null || value === undefined ? "–" : value.toFixed(3));
  const moment = () => `${video.timed ? `${video.times[index].toFixed(2)} s, ` : ""}frame ${index + 1} of ${video.times.length}`;

  function spoken() {
    if (!video.people.length) return `${moment()}; no face found`;
    return [moment(), ...lines().filter(({ k }) => shown[k]).map(({ k, name, values, truth }) =>
      `${name}: valence ${number(values[0][index])}, arousal ${number(values[1][index])}` +
        (truth || video.people[k].found[index] ? "" : ", no face found"))].join("; ");
  }

  /** Say it to who does not see it, once it stands still. */
  let pending = 0;
  function tell() {
    clearTimeout(pending);
    if (!playing()) pending = setTimeout(() => { $("said").textContent = spoken(); }, 300);
  }

  function draw() {
    $("now").textContent = moment();
    const slider = $("time");
    slider.setAttribute("aria-valuemin", video.times[0]);
    slider.setAttribute("aria-valuemax", video.times[video.times.length - 1]);
    slider.setAttribute("aria-valuenow", video.times[index]);
    slider.setAttribute("aria-valuetext", spoken());
    lines().forEach(({ k, values, truth }, row) => {
      const cells = $("values").tBodies[0].rows[row].cells;
      [1, 2].forEach((column) => {
        cells[column].textContent = number(values[column - 1][index]);
        cells[column].className = truth || video.people[k].found[index] ? "" : "held";
      });
    });
    keepInSight();
    charts.forEach((chart) => chart.redraw(false, false));
    drawPlane();
    drawBoxes();
  }

  function fitted(canvas, width, height) {
    const ratio = devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    return context;
  }

  function drawBoxes() {
    const canvas = $("boxes");
    if (!video.film || !video.size) return;
    const width = film.clientWidth, height = film.clientHeight;
    Object.assign(canvas.style, { left: `${film.offsetLeft}px`, top: `${film.offsetTop}px`, width: `${width}px`, height: `${height}px` });
    const context = fitted(canvas, width, height);
    const across = width / video.size[0], down = height / video.size[1];
    context.lineWidth = 2.5;
    context.font = "600 13px system-ui, sans-serif";
    video.people.forEach((person, k) => {
      const box = person.boxes && person.boxes[index];
      if (!box || !shown[k]) return;
      const [x0, y0, x1, y1] = [box[0] * across, box[1] * down, box[2] * across, box[3] * down];
      context.strokeStyle = context.fillStyle = person.colours[1];
      context.strokeRect(x0, y0, x1 - x0, y1 - y0);
      context.strokeStyle = "#000"; // around the letters, which may be on anything
      if (video.people.length > 1)
        for (const how of ["strokeText", "fillText"]) context[how](person.name, x0, Math.max(y0 - 5, 12));
    });
  }

  function drawPlane() {
    const canvas = $("plane"), side = canvas.clientWidth;
    if (!side) return;
    const context = fitted(canvas, side, side), margin = 26, half = (side - 2 * margin) / 2;
    const x = (v) => margin + half * (1 + v / limit), y = (v) => margin + half * (1 - v / limit);
    context.strokeStyle = style("--line");
    context.strokeRect(margin, margin, 2 * half, 2 * half);
    context.beginPath();
    context.moveTo(x(-limit), y(0)); context.lineTo(x(limit), y(0));
    context.moveTo(x(0), y(-limit)); context.lineTo(x(0), y(limit));
    context.stroke();
    context.fillStyle = style("--faint");
    context.font = "12px system-ui, sans-serif";
    context.textAlign = "center";
    context.fillText("valence", side / 2, side - 8);
    context.fillText(limit.toFixed(1), x(limit) - 10, y(0) + 14);
    context.fillText((-limit).toFixed(1), x(-limit) + 14, y(0) + 14);
    context.save();
    context.translate(14, side / 2);
    context.rotate(-Math.PI / 2);
    context.fillText("arousal", 0, 0);
    context.restore();
    const start = frameAt(video.times[index] - TRAIL);
    for (const line of lines().filter(({ k }) => shown[k])) {
      const [valence, arousal] = line.values;
      context.strokeStyle = context.fillStyle = ink(line);
      context.setLineDash(line.truth ? [3, 3] : []);
      for (let i = start + 1; i <= index; i++) {
        if (valence[i] === null || valence[i - 1] === null || broken.has(i)) continue;
        context.globalAlpha = 0.15 + 0.85 * (i - start) / (index - start);
        context.beginPath();
        context.moveTo(x(valence[i - 1]), y(arousal[i - 1]));
        context.lineTo(x(valence[i]), y(arousal[i]));
        context.stroke();
      }
      context.globalAlpha = 1;
      context.setLineDash([]);
      if (valence[index] === null) continue;
      context.beginPath();
      context.arc(x(valence[index]), y(arousal[index]), 5, 0, 2 * Math.PI);
      if (line.truth) context.stroke(); else context.fill();
    }
  }

  // Curves -------------------------------------------------------------------------------------

  function chart(name, column) {
    const holder = $(name);
    holder.replaceChildren();
    const series = [{}], data = [video.times], drawn = new Uint16Array(video.times.length); // lines in each frame
    for (const line of lines()) {
      const lone = timeline.alone(line.values[column], broken);
      // Where people's values are nearly equal, a line above others has gaps to see them through.
      const below = line.truth ? 0 : timeline.below(line.values[column], drawn);
      const dash = line.truth ? [4, 4] : below ? [8, 8 * Math.min(below, 3)] : [];
      series.push({ label: line.name, stroke: () => ink(line), width: line.truth ? 1.2 : 1.6, pxAlign: 0, dash,
        show: shown[line.k], gaps: missing, points: { show: false, filter: () => lone } });
      data.push(line.values[column]);
    }
    const splits = ticks(column);
    const axis = { stroke: () => style("--faint"), grid: { stroke: () => style("--line"), width: 1 }, ticks: { show: false } };
    const made = new uPlot({
      width: Math.max(holder.clientWidth, 100), height: HEIGHT,
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, sync: { key: "time" }, points: { show: false } },
      scales: { x: { time: false, ...whole() }, y: { range: [splits[0], splits[splits.length - 1]] } },
      series,
      axes: [{ ...axis, size: 30, values: (_, ticks) => ticks.map((t) => (video.timed ? `${+t.toFixed(3)} s` : frameAt(t) + 1)) },
        { ...axis, splits: () => splits, values: (_, all) => all.map((t) => +t.toFixed(3)), label: name[0].toUpperCase() + name.slice(1), size: 52, labelSize: 20 }],
      hooks: { draw: [mark] },
    }, data, holder);
    made.over.addEventListener("pointerdown", (event) => {
      follow(made, event);
      made.over.setPointerCapture(event.pointerId);
    });
    made.over.addEventListener("pointermove", (event) => { if (event.buttons & 1) follow(made, event); });
    made.over.addEventListener("wheel", (event) => zoom(made, event), { passive: false });
    made.over.addEventListener("dblclick", () => charts.forEach((each) => each.setScale("x", whole())));
    return made;
  }

  /** Where a line is broken, in pixels: at frames without a value, and where frames are missing. */
  function missing(made, _, first, last, found) {
    const at = (i) => made.valToPos(video.times[i], "x", true);
    const some = video.breaks.filter((i) => i > first && i <= last).map((i) => [at(i - 1), at(i)]);
    return found.concat(some).sort((one, other) => one[0] - other[0]);
  }

  /** From end to end of the axis of valence (0) or arousal (1), through 0: to the limit, or less for small values. */
  function ticks(column) {
    let low = 0, high = 0;
    for (const { values } of lines())
      for (const value of values[column])
        [low, high] = [Math.min(low, value), Math.max(high, value)]; // null counts as 0
    const step = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1].find((one) => high - low <= 4 * one);
    if (!step || low === high) return [-limit, -limit / 2, 0, limit / 2, limit];
    const first = Math.floor(low / step), last = Math.ceil(high / step);
    return Array.from({ length: last - first + 1 }, (_, k) => (first + k) * step);
  }

  /** All of the film's time; a second for a lone frame. */
  function whole() {
    const min = video.times[0], max = video.times[video.times.length - 1];
    return { min, max: max > min ? max : min + 1 };
  }

  function follow(made, event) {
    if (playing()) play(false);
    go(frameAt(made.posToVal(event.clientX - made.over.getBoundingClientRect().left, "x")));
  }

  function zoom(made, event) {
    event.preventDefault();
    const all = whole(), { min, max } = made.scales.x;
    const at = made.posToVal(event.clientX - made.over.getBoundingClientRect().left, "x");
    const factor = Math.exp(0.002 * event.deltaY);
    const scale = { min: Math.max(all.min, at - (at - min) * factor), max: Math.min(all.max, at + (max - at) * factor) };
    if (scale.max - scale.min > 0.05) charts.forEach((each) => each.setScale("x", scale));
  }

  /** Move the part that is zoomed to along where the film leaves it. */
  function keepInSight() {
    const at = video.times[index], all = whole(), { min, max } = charts[0].scales.x;
    if (min === null || (at >= min && at <= max)) return; // null: not drawn yet
    const span = max - min, start = Math.max(all.min, Math.min(all.max - span, at - 0.1 * span));
    charts.forEach((made) => made.setScale("x", { min: start, max: start + span }));
  }

  /** Where the film is, and the frames without a face. */
  function mark(made) {
    const { ctx, bbox } = made, at = (time) => made.valToPos(time, "x", true);
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    if (!video.people.length) {
      ctx.fillStyle = style("--faint");
      ctx.font = `${15 * devicePixelRatio}px system-ui, sans-serif`;
      ctx.textAlign = "center";
      ctx.fillText("no face found", bbox.left + bbox.width / 2, bbox.top + bbox.height / 3);
    } else if (video.people.length === 1) {
      ctx.fillStyle = style("--faint");
      ctx.globalAlpha = 0.18;
      for (const [from, to] of timeline.without(video.times, video.people[0].found)) ctx.fillRect(at(from), bbox.top, Math.max(at(to) - at(from), 1), bbox.height);
      ctx.globalAlpha = 1;
    }
    ctx.strokeStyle = style("--mark");
    ctx.lineWidth = 2;
    ctx.setLineDash([]); // the last line's else
    ctx.beginPath();
    ctx.moveTo(at(video.times[index]), bbox.top);
    ctx.lineTo(at(video.times[index]), bbox.top + bbox.height);
    ctx.stroke();
    ctx.restore();
  }

  // A video ------------------------------------------------------------------------------------

  function open(which) {
    if (video) play(false);
    video = content.videos[which];
    video.people.forEach((person) => timeline.spread(person, video.times.length));
    shown = video.people.map(() => true);
    broken = new Set(video.breaks);
    index = 0;
    limit = timeline.limit(lines().flatMap(({ values }) => values));
    if (address) URL.revokeObjectURL(address);
    address = null;
    document.body.classList.toggle("nofilm", !video.film);
    if (video.film) {
      const bytes = (part) => Uint8Array.from(atob(part.textContent), (letter) => letter.charCodeAt(0));
      const parts = [...document.getElementsByClassName(`film-${which}`)].map(bytes);
      address = URL.createObjectURL(new Blob(parts, { type: video.film }));
      film.src = address;
    } else {
      film.removeAttribute("src");
    }
    people();
    charts = [chart("valence", 0), chart("arousal", 1)];
    draw();
    label();
  }

  function people() {
    const rows = lines().map(({ k, name: text, truth }) => {
      const row = document.createElement("tr"), head = document.createElement("th");
      const name = document.createElement("label"), box = document.createElement("input"), swatch = document.createElement("span");
      head.scope = "row";
      name.append(swatch, text);
      head.append(name);
      row.append(head, document.createElement("td"), document.createElement("td"));
      swatch.className = truth ? "swatch truth" : "swatch";
      if (truth) return row;
      swatch.dataset.person = k;
      swatch.style.background = colour(k);
      name.prepend(box);
      box.type = "checkbox";
      box.checked = true;
      box.addEventListener("change", () => {
        shown[k] = box.checked;
        charts.forEach((made) => lines().forEach((line, s) => {
          if (line.k === k) made.setSeries(s + 1, { show: box.checked });
        }));
        draw();
        tell();
      });
      return row;
    });
    $("values").tBodies[0].replaceChildren(...rows);
    $("values").caption.hidden = rows.length > 0;
  }

  // What a user does ---------------------------------------------------------------------------

  $("play").addEventListener("click", () => play(!playing()));
  $("back").addEventListener("click", () => { play(false); go(index - 1); });
  $("on").addEventListener("click", () => { play(false); go(index + 1); });
  $("videos").addEventListener("change", () => open(+$("videos").value));
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "SELECT") return;
    const second = (by) => frameAt(video.times[index] + by);
    const actions = {
      ArrowLeft: () => go(event.shiftKey ? Math.min(second(-1), index - 1) : index - 1),
      ArrowRight: () => go(event.shiftKey ? Math.max(second(1), index + 1) : index + 1),
      Home: () => go(0),
      End: () => go(video.times.length - 1),
    };
    if (event.key === " " && !["BUTTON", "INPUT"].includes(event.target.tagName)) {
      event.preventDefault();
      play(!playing());
    } else if (actions[event.key]) {
      event.preventDefault();
      if (playing()) play(false);
      actions[event.key]();
    }
  });
  ["play", "pause", "ended"].forEach((name) => film.addEventListener(name, label));
  film.addEventListener("loadedmetadata", () => drawBoxes());
  const onFrame = (time) => { if (playing()) { index = frameAt(time); draw(); } };
  if (film.requestVideoFrameCallback) {
    const each = (_, frame) => { onFrame(frame.mediaTime); film.requestVideoFrameCallback(each); };
    film.requestVideoFrameCallback(each);
  } else {
    film.addEventListener("timeupdate", () => onFrame(film.currentTime));
  }
  addEventListener("resize", () => {
    draw(); // before: it would call off what a new size asks for
    charts.forEach((made) => made.setSize({ width: Math.max(made.root.parentNode.clientWidth, 100), height: HEIGHT }));
  });
  dark.addEventListener("change", () => {
    document.querySelectorAll("[data-person]").forEach((one) => { one.style.background = colour(+one.dataset.person); });
    charts.forEach((made) => made.redraw());
    draw();
  });

  content.videos.forEach((one, k) => $("videos").add(new Option(one.name, k)));
  $("choice").hidden = content.videos.length < 2;
  open(0);
})();
