// From values to places on an axis.

const linear = (lo, hi, from, to) => (value) => from + (value - lo) / (hi - lo || 1) * (to - from);

// Round numbers inside [lo, hi], about `count` of them.
function ticks(lo, hi, count) {
  const rough = (hi - lo) / count;
  if (!(rough > 0) || !Number.isFinite(rough)) return [lo];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step =
      [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough) ??
      rough;
  const found = [];
  for (let i = Math.ceil(lo / step - 1e-9); i * step <= hi + step * 1e-9 && found.length < 50; ++i)
    found.push(i * step + 0);  // of −0 makes 0
  return found;
}

// Labels in as few rows as keep them apart: the row of each, for centres and widths in any order.
function rowsOfLabels(labels) {
  const ends = [];
  const rows = new Map();
  for (const label of [...labels].sort((a, b) => a.x - b.x)) {
    let row = ends.findIndex((end) => end <= label.x - label.width / 2);
    if (row < 0) row = ends.length;
    ends[row] = label.x + label.width / 2 + 4;
    rows.set(label, row);
  }
  return rows;
}
