// Time against noise as λ sweeps, as a curve and as the table of its points.

const paretoSize = () => (innerWidth > 700 ? {width: 640, height: 380, left: 48, right: 24, top: 26, bottom: 44}
  : {width: 360, height: 290, left: 36, right: 14, top: 26, bottom: 44});

function paretoAxes(x, y, size, xTicks, yTicks) {
  const bottom = size.height - size.bottom;
  return [
    yTicks.map((value) => [s('line', {class: 'grid', x1: size.left, x2: size.width - size.right, y1: y(value), y2: y(value)}),
      s('text', {class: 'tick', x: size.left - 8, y: y(value) + 4, 'text-anchor': 'end'}, plain(value))]),
    xTicks.map((value) => [s('line', {class: 'grid', x1: x(value), x2: x(value), y1: bottom, y2: bottom + 4}),
      s('text', {class: 'tick', x: x(value), y: bottom + 18, 'text-anchor': 'middle'}, plain(value))]),
    s('line', {class: 'axis', x1: size.left, x2: size.width - size.right, y1: bottom, y2: bottom}),
    s('text', {class: 'label', x: size.width - size.right, y: size.height - 6, 'text-anchor': 'end'}, 'predicted ms → slower'),
    s('text', {class: 'label', x: 4, y: 12}, '↑ less noise: SQNR in dB')];
}

const around = (values, share) => {
  const [lo, hi] = [Math.min(...values), Math.max(...values)];
  const room = (hi - lo || Math.abs(hi) || 1) * share;
  return [Math.max(0, lo - room), hi + room];
};

// All-float points have no noise at all: they stand on the upper edge.
function paretoChart(points, asked, marks) {
  const size = paretoSize();
  const drawn = points.filter((point) => point.sqnr_db !== null);
  const levels = drawn.map((point) => point.sqnr_db).concat(asked === null ? [] : [asked]);
  const [xlo, xhi] = around(points.map((point) => point.ms), 0.08);
  const [ylo, yhi] = around(levels, 0.12);
  const x = linear(xlo, xhi, size.left, size.width - size.right);
  const y = linear(ylo, yhi, size.height - size.bottom, size.top + 14);
  const placed = points.map((point) => ({point, x: x(point.ms), y: point.sqnr_db === null ? size.top : y(point.sqnr_db)}));
  const line = [...placed].sort((a, b) => a.x - b.x || b.y - a.y).map((p, i) => `${i ? 'L' : 'M'}${p.x.toFixed(1)} ${p.y.toFixed(1)}`).join('');
  const description = placed.map(({point}) => `λ ${plain(point.lambda)}: ${milliseconds(point.ms)}, ${decibels(point.sqnr_db)}`).join('; ');
  return picture(size.width, size.height, 'Time against noise as λ sweeps', description,
    paretoAxes(x, y, size, ticks(xlo, xhi, size.width / 90), ticks(ylo, yhi, 5)),
    asked === null ? null : [s('line', {class: 'asked', x1: size.left, x2: size.width - size.right, y1: y(asked), y2: y(asked)}),
      s('text', {class: 'label', x: size.width - size.right, y: y(asked) - 5, 'text-anchor': 'end'}, `asked: ${decibels(asked)}`)],
    s('path', {class: 'curve', d: line}),
    placed.map(({point, x: px, y: py}, i) => (marks[i] = s('g', {class: point.chosen ? 'point chosen' : 'point'},
      s('circle', {cx: px, cy: py, r: point.chosen ? 7 : 4.5}),
      s('title', null, `λ = ${plain(point.lambda)}: ${milliseconds(point.ms)}, ${point.sqnr_db === null ? 'no noise' : decibels(point.sqnr_db)}, ${point.int8 ?? NONE} layers in INT8`)))),
    placed.filter(({point}) => point.chosen).slice(0, 1).map((p) => s('text', {class: 'label strong',
      x: p.x + (p.x > size.width / 2 ? -12 : 12), y: p.y + 4, 'text-anchor': p.x > size.width / 2 ? 'end' : 'start'}, 'chosen')));
}

function paretoTable(points, layers, marks) {
  const lit = (i, on) => marks[i]?.classList.toggle('lit', on);
  return h('table', {class: 'points'},
    h('thead', null, h('tr', null, ['λ', 'Time', 'SQNR', 'INT8'].map((text) => h('th', {scope: 'col', class: 'number'}, text)))),
    h('tbody', null, points.map((point, i) => h('tr', {class: point.chosen ? 'chosen' : null,
      onmouseenter: () => lit(i, true), onmouseleave: () => lit(i, false)},
    h('th', {scope: 'row', class: 'number'}, point.chosen ? h('span', {class: 'mark'}, 'chosen') : null, plain(point.lambda)),
    h('td', {class: 'number'}, milliseconds(point.ms)),
    h('td', {class: 'number'}, point.sqnr_db === null && point.int8 === 0 ? 'no noise' : decibels(point.sqnr_db)),
    h('td', {class: 'number'}, point.int8 === null ? NONE : `${point.int8} of ${layers}`)))));
}

function drawPareto(report) {
  const points = report.pareto.filter((point) => point.ms !== null && point.lambda !== null)
    .sort((a, b) => a.lambda - b.lambda);
  if (!points.length) {
    return replace(at('tradeoff-body'), h('p', {class: 'nothing'},
      'λ was not swept: noise is measured where it has a price, or where a report asks for it.'));
  }
  const marks = [];
  const table = paretoTable(points, report.groups.length, marks);
  const drawn = points.filter((point) => point.sqnr_db !== null || point.int8 === 0);
  const measured = drawn.some((point) => point.sqnr_db !== null);
  const own = [];
  const chart = measured ? h('figure', {class: 'pareto'}, paretoChart(drawn, report.asked.min_sqnr_db, own))
    : h('p', {class: 'nothing'}, 'Noise was not measured, so there is no curve.');
  drawn.forEach((point, i) => (marks[points.indexOf(point)] = own[i]));
  replace(at('tradeoff-body'), h('div', {class: 'beside'}, chart, table));
}
