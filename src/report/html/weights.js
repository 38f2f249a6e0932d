// A layer's weights: how narrow and how symmetric they are, which is what makes INT8 work without a
// calibration of weights.

// Moments and quantiles from the bins' middles.
function weightFacts({lo, hi, counts, total}) {
  const step = (hi - lo) / counts.length;
  const middles = counts.map((_, i) => lo + (i + 0.5) * step);
  const moment = (about, power) =>
      counts.reduce((sum, count, i) => sum + count * (middles[i] - about) ** power, 0) / total;
  const average = moment(0, 1);
  const sigma = Math.sqrt(moment(average, 2));
  const largest = Math.max(Math.abs(lo), Math.abs(hi));
  const byDistance =
      middles.map((middle, i) => [Math.abs(middle), counts[i]]).sort((a, b) => a[0] - b[0]);
  let [left, most] = [total * 0.99, largest];
  for (const [distance, count] of byDistance) {
    left -= count;
    if (left <= 0) {
      most = Math.min(distance + step / 2, largest);
      break;
    }
  }
  return {
    average,
    sigma,
    largest,
    shift: Math.abs(average) / (sigma || 1),
    reach: largest / (sigma || 1),
    most,
    skew: sigma > 0 ? moment(average, 3) / sigma ** 3 : 0,
    levels: 2 * Math.round(127 * most / largest) + 1
  };
}

const isSymmetric = (facts) => facts.shift < 0.2 && Math.abs(facts.skew) < 0.6;
const isNarrow = (facts) => facts.reach < 12;

function weightNote(facts) {
  const shape = isSymmetric(facts) ?
      (isNarrow(facts) ? 'Narrow and symmetric' : 'Symmetric, with far outliers') :
      (isNarrow(facts) ? 'Narrow, but not symmetric' : 'Neither narrow nor symmetric');
  return `${shape}: the mean lies ${fixed(facts.shift, 2)} σ from zero, the largest weight ${
             fixed(facts.reach, 1)} σ away. ` +
      `99 % of the weights lie within ±${short(facts.most)}, on ${
             facts.levels} of the 255 levels of one grid for all channels.`;
}

function weightHistogram(group, facts, small) {
  const {lo, hi, counts} = group.weights;
  const [width, top] = [small ? 220 : 380, small ? 8 : 22];
  const bottom = top + (small ? 64 : 100);
  const x = linear(-facts.largest, facts.largest, 12, width - 12);
  const peak = Math.max(...counts);
  const from = Math.max(facts.average - facts.sigma, -facts.largest);
  const to = Math.min(facts.average + facts.sigma, facts.largest);
  return picture(
      width, bottom + 20, `Weights of ${shortened(group.name, 60)}`, weightNote(facts),
      s('rect', {class: 'sigma', x: x(from), width: x(to) - x(from), y: top, height: bottom - top}),
      s('path', {
        class: 'counts',
        d: outline(counts, lo, hi, x, (count) => count / peak * (bottom - top), bottom)
      }),
      s('line', {class: 'mean', x1: x(facts.average), x2: x(facts.average), y1: top, y2: bottom}),
      small ? null :
              [s('text', {class: 'label', x: x(facts.average), y: top - 7, 'text-anchor': 'middle'},
                 `mean ${short(facts.average)}, band ± σ = ${short(facts.sigma)}`)],
      axisOf(x, -facts.largest, facts.largest, bottom, small ? 3 : 6));
}
