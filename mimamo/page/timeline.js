"use strict";
/** Which frames, of a video's times and of a curve's values, a page shows where. */
const timeline = {
  /** Give a person, of whom only frames from `start` on are known, an entry for each of `count` frames. */
  spread(person, count) {
    const whole = (some, none = null) => Array.from({ length: count }, (_, i) => some[i - person.start] ?? none);
    person.values = person.values.map((some) => whole(some));
    person.truth = person.truth && person.truth.map((some) => whole(some));
    person.boxes = person.boxes && whole(person.boxes);
    person.found = whole(person.found, 0);
    person.start = 0; // so that a second time changes nothing
  },

  /** The frame that is on at a time: the last that has begun. */
  at(times, time) {
    let low = 0, high = times.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (times[middle] <= time + 1e-4) low = middle; else high = middle - 1;
    }
    return low;
  },

  /** A moment within a frame, so that rounding shows none beside it. */
  moment(times, frame) {
    const last = times.length - 1;
    const next = frame < last ? times[frame + 1] : times[last] + (last ? times[last] - times[last - 1] : 0.04);
    return (times[frame] + next) / 2;
  },

  /** From when to when no face was found. */
  without(times, found) {
    const spans = [];
    for (let i = 0; i < found.length; i++) {
      if (found[i]) continue;
      const from = i;
      while (i + 1 < found.length && !found[i + 1]) i++;
      spans.push([times[from], times[Math.min(i + 1, times.length - 1)]]);
    }
    return spans;
  },

  /** What an axis goes to on either side: 1, or a round number that all values of these columns lie within. */
  limit(columns) {
    let farthest = 0;
    for (const column of columns)
      for (const value of column) farthest = Math.max(farthest, Math.abs(value)); // null counts as 0
    if (farthest <= 1) return 1;
    const power = 10 ** Math.floor(Math.log10(farthest));
    return power * [1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 12].find((one) => one * power >= 1.02 * farthest);
  },

  /** How many curves a further one lies above at most; `drawn` counts those of each frame, and then this one. */
  below(values, drawn) {
    let most = 0;
    values.forEach((value, i) => { if (value !== null) most = Math.max(most, drawn[i]++); });
    return most;
  },

  /** Those whose value has none beside it, so that a line would not show it; `broken` has where others are missing. */
  alone(values, broken) {
    const apart = (i, before) => broken.has(i) || (values[before] ?? null) === null;
    return [...values.keys()].filter((i) => values[i] !== null && apart(i, i - 1) && apart(i + 1, i + 1));
  },
};
