// Time against noise as λ sweeps, as a curve and as the table of its points.

const paretoSize = () =>
    (innerWidth > 700 ? {width: 640, height: 380, left: 48, right: 24, top: 26, bottom: 44} :
                        {width: 360, height: 290, left: 36, right: 14, top: 26, bottom: 44});

// A line across the chart, at a height.
const across = (size, y, kind) =>
    s('line', {class: kind, x1: size.left, x2: size.width - size.right, y1: y, y2: y});

function paretoAxes(x, y, size, xTicks, yTicks) {
  const [bottom, right] = [size.height - size.bottom, size.width - size.right];
  const text = (kind, x, y, anchor, value) =>
      s('text', {class: kind, x, y, 'text-anchor': anchor}, value);
  return [
    yTicks.map((value) => across(size, y(value), 'grid')),
    yTicks.map((value) => text('tick', size.left - 8, y(value) + 4, 'end', plain(value))),
    xTicks.map((value) => text('tick', x(value), bottom + 18, 'middle', plain(value))),
    across(size, bottom, 'axis'),
    text('label', right, size.height - 6, 'end', 'predicted ms → slower'),
    text('label', 4, 12, 'start', '↑ less noise: SQNR in dB')
  ];
}

function around(values, share) {
  const [lo, hi] = [Math.min(...values), Math.max(...values)];
  const room = (hi - lo || Math.abs(hi) || 1) * share;
  return [Math.max(0, lo - room), hi + room];
}

const noiseText = (point) =>
    (point.sqnr_db === null && point.int8 === 0 ? 'no noise' : decibels(point.sqnr_db));
const pointText = (point) => `λ = ${plain(point.lambda)}: ${milliseconds(point.ms)}, ${
    noiseText(point)}, ${point.int8 ?? NONE} layers in INT8`;

function paretoMark({point, x, y}, size) {
  const left = x > size.width / 2;  // where its name has room
  return s(
      'g', {class: point.chosen ? 'point chosen' : 'point'},
      s('circle', {cx: x, cy: y, r: point.chosen ? 7 : 4.5}), s('title', null, pointText(point)),
      point.chosen ? s('text', {
        class: 'label strong',
        x: x + (left ? -12 : 12),
        y: y + 4,
        'text-anchor': left ? 'end' : 'start'
      },
                       'chosen') :
                     null);
}

function askedLine(asked, y, size) {
  const [x, label] = [size.width - size.right, `asked: ${decibels(asked)}`];
  return [
    across(size, y(asked), 'asked'),
    s('text', {class: 'label', x, y: y(asked) - 5, 'text-anchor': 'end'}, label)
  ];
}

// Those that no other is quicker and cleaner than, from left to right; y grows downwards.
function frontOf(placed) {
  const front = [];
  for (const place of [...placed].sort((a, b) => a.x - b.x || a.y - b.y)) {
    if (!front.length || place.y < front.at(-1).y) front.push(place);
  }
  return front;
}

// The picture, and the marks of its points. All-float points have no noise at all: they stand on
// the upper edge.
function paretoChart(points, asked) {
  const size = paretoSize();
  const levels = points.map((point) => point.sqnr_db).concat(asked).filter((v) => v !== null);
  const [xlo, xhi] = around(points.map((point) => point.ms), 0.08);
  const [ylo, yhi] = around(levels, 0.12);
  const x = linear(xlo, xhi, size.left, size.width - size.right);
  const y = linear(ylo, yhi, size.height - size.bottom, size.top + 14);
  const height = ({sqnr_db}) => (sqnr_db === null ? size.top : y(sqnr_db));
  const placed = points.map((point) => ({point, x: x(point.ms), y: height(point)}));
  const line = frontOf(placed).map((p) => `${p.x.toFixed(1)} ${p.y.toFixed(1)}`).join('L');
  const marks = placed.map((place) => paretoMark(place, size));
  const svg = picture(
      size.width, size.height, 'Time against noise as λ sweeps', points.map(pointText).join('; '),
      paretoAxes(x, y, size, ticks(xlo, xhi, size.width / 90), ticks(ylo, yhi, 5)),
      asked === null ? null : askedLine(asked, y, size), s('path', {class: 'curve', d: `M${line}`}),
      marks);
  return {svg, marks};
}

// A row lights up the point that `markOf` has for it.
function paretoRow(point, layers, markOf) {
  const light = (on) => () => markOf.get(point)?.classList.toggle('lit', on);
  const chosen = point.chosen ? h('span', {class: 'mark'}, 'chosen') : null;
  const cell = (text) => h('td', {class: 'number'}, text);
  const attributes = {onmouseenter: light(true), onmouseleave: light(false)};
  return h(
      'tr', {class: point.chosen ? 'chosen' : null, ...attributes},
      h('th', {scope: 'row', class: 'number'}, chosen, plain(point.lambda)),
      cell(milliseconds(point.ms)), cell(noiseText(point)),
      cell(point.int8 === null ? NONE : `${point.int8} of ${layers}`));
}

function paretoTable(points, layers, markOf) {
  const heads =
      ['λ', 'Time', 'SQNR', 'INT8'].map((text) => h('th', {scope: 'col', class: 'number'}, text));
  return h(
      'table', {class: 'points'}, h('thead', null, h('tr', null, heads)),
      h('tbody', null, points.map((point) => paretoRow(point, layers, markOf))));
}

function drawPareto(report) {
  const points = report.pareto.filter((point) => point.ms !== null && point.lambda !== null)
                     .sort((a, b) => a.lambda - b.lambda);
  const missing = (text) => h('p', {class: 'nothing'}, text);
  if (!points.length) {
    const text = 'λ was not swept: noise is measured where it has a price, or where a report asks.';
    return replace(at('tradeoff-body'), missing(text));
  }
  const drawn = points.filter((point) => point.sqnr_db !== null || point.int8 === 0);
  const markOf = new Map();
  let chart = missing('Noise was not measured, so there is no curve.');
  if (drawn.some((point) => point.sqnr_db !== null)) {
    const {svg, marks} = paretoChart(drawn, report.asked.min_sqnr_db);
    drawn.forEach((point, i) => markOf.set(point, marks[i]));
    chart = h('figure', {class: 'pareto'}, svg);
  }
  const table = paretoTable(points, report.groups.length, markOf);
  const scroll = h('div', {class: 'points-scroll', tabindex: 0}, table);
  replace(at('tradeoff-body'), h('div', {class: 'beside'}, chart, scroll));
}
