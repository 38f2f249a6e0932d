// A tensor's histogram: the range of each calibration method drawn in, what the used one clips
// shaded.

// The outline of counts as one path; `height` of a count is up to the caller.
function outline(counts, lo, hi, x, heightOf, bottom) {
  const step = (hi - lo) / counts.length;
  let path = `M${x(lo).toFixed(1)} ${bottom}`;
  counts.forEach((count, i) => {
    path += `V${(bottom - heightOf(count)).toFixed(1)}H${x(lo + (i + 1) * step).toFixed(1)}`;
  });
  return `${path}V${bottom}Z`;
}

// An end at the lower edge cuts nothing; at the upper edge it is where a method that clips nothing
// stands.
const cuts = (value, {lo, hi}) => value > lo + (hi - lo) * 1e-3 && value <= hi + (hi - lo) * 1e-6;
const usedThreshold = (tensor) => tensor.thresholds.find((threshold) => threshold.used) ?? null;
const rangeText = ([lo, hi]) => `[${plain(lo)}, ${plain(hi)}]`;

function axisOf(x, lo, hi, bottom, count) {
  return [
    s('line', {class: 'axis', x1: x(lo), x2: x(hi), y1: bottom, y2: bottom}),
    ticks(lo, hi, count)
        .map(
            (value) =>
                s('text', {class: 'tick', x: x(value), y: bottom + 14, 'text-anchor': 'middle'},
                  plain(value)))
  ];
}

// Where each method cuts: a line at both ends of its range that lie in the histogram, one name.
function thresholdLines(tensor, x, top, bottom) {
  const ends = tensor.thresholds.flatMap(
      (threshold, method) => threshold.range.filter((value) => cuts(value, tensor.histogram))
                                 .map((value) => ({threshold, method, value})));
  const last = new Map(ends.map((end) => [end.method, end]));  // of two ends the upper one
  const labels = [...last.values()].map((end) => {
    const text = shortened(end.threshold.method, 12);
    const width = text.length * 6.2;
    const centre = Math.min(
        Math.max(x(end.value), x(tensor.histogram.lo) + width / 2),
        x(tensor.histogram.hi) - width / 2);
    return {end, text, width, x: centre};
  });
  const rows = rowsOfLabels(labels);
  return [
    ends.map(({threshold, value}) => s('line', {
               class: threshold.used ? 'threshold used' : 'threshold',
               x1: x(value),
               x2: x(value),
               y1: top - 2,
               y2: bottom
             })),
    labels.map(
        (label) =>
            s('text', {
              class: label.end.threshold.used ? 'label strong' : 'label',
              x: label.x,
              y: top - 6 - rows.get(label) * 12,
              'text-anchor': 'middle'
            },
              label.text))
  ];
}

function clippedParts(range, histogram, x, top, bottom) {
  const parts = [
    [histogram.lo, Math.min(range[0], histogram.hi)],
    [Math.max(range[1], histogram.lo), histogram.hi]
  ];
  return parts.filter(([from, to]) => to - from > (histogram.hi - histogram.lo) * 1e-4)
      .map(([from, to]) => s('rect', {
             class: 'clipped',
             x: x(from),
             width: x(to) - x(from),
             y: top,
             height: bottom - top
           }));
}

function describeTensor(tensor) {
  const methods = tensor.thresholds.map(
      (threshold) => `${threshold.method} ${rangeText(threshold.range)}, ` +
          `clips ${percent(threshold.clipped)}${threshold.used ? ', used' : ''}`);
  const {lo, hi} = tensor.histogram;
  return [`Values from ${short(lo)} to ${short(hi)}, counts on a log scale`, ...methods].join('; ');
}

// In full with names and axis, or small for the gallery.
function tensorHistogram(tensor, small) {
  const {lo, hi, counts} = tensor.histogram;
  const [width, top] = [small ? 220 : 380, small ? 8 : 62];
  const bottom = top + (small ? 64 : 110);
  const x = linear(lo, hi, 12, width - 12);
  const peak = Math.log1p(Math.max(...counts));
  const used = usedThreshold(tensor);
  return picture(
      width, bottom + 20, `Histogram of ${shortened(tensor.name, 60)}`, describeTensor(tensor),
      s('path', {
        class: 'counts',
        d: outline(counts, lo, hi, x, (count) => Math.log1p(count) / peak * (bottom - top), bottom)
      }),
      used ? clippedParts(used.range, tensor.histogram, x, top, bottom) : null,
      small && used ?
          used.range.filter((value) => cuts(value, tensor.histogram))
              .map(
                  (value) => s(
                      'line',
                      {class: 'threshold used', x1: x(value), x2: x(value), y1: top, y2: bottom})) :
          null,
      small ? null : thresholdLines(tensor, x, top, bottom),
      axisOf(x, lo, hi, bottom, small ? 3 : 6));
}

function thresholdTable(tensor) {
  if (!tensor.thresholds.length) return null;
  return h(
      'table', {class: 'thresholds'},
      h('thead', null,
        h('tr', null, h('th', {scope: 'col'}, 'Method'),
          h('th', {scope: 'col', class: 'number'}, 'Range'),
          h('th', {scope: 'col', class: 'number'}, 'Clipped'))),
      h('tbody', null,
        tensor.thresholds.map(
            (threshold) =>
                h('tr', {class: threshold.used ? 'used' : null},
                  h('th', {scope: 'row'}, named(shortened(threshold.method, 24)),
                    threshold.used ? h('span', {class: 'mark'}, 'used') : null),
                  h('td', {class: 'number'}, rangeText(threshold.range)),
                  h('td', {class: 'number'}, percent(threshold.clipped))))));
}

// How many of the 256 values that a byte has occur.
function levelsMeter(tensor) {
  if (tensor.levels_used === null) return null;
  const share = Math.min(tensor.levels_used / 256, 1);
  return h(
      'p', {class: 'levels'},
      s('svg', {class: 'share', 'aria-hidden': 'true'},
        s('rect', {class: 'fill-int8', width: `${share * 100}%`, height: '100%', rx: 2})),
      `${fixed(tensor.levels_used, 0)} of 256 levels used`);
}
