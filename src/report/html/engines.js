// Float, all-INT8 and the chosen mix side by side; the one that was kept stands out.

const ENGINE_NAMES = new Map([['float', 'Float'], ['int8', 'All INT8'], ['chosen', 'Chosen']]);
const keptClass = (engine) => ({class: engine.kept ? 'kept' : null});

function engineHead(engine) {
  const kept = engine.kept ? h('span', {class: 'badge solid'}, '✓ kept') : null;
  return h(
      'th', {scope: 'col', ...keptClass(engine)},
      named(ENGINE_NAMES.get(engine.name) ?? engine.name), kept);
}

function engineTime(engine, slowest) {
  if (engine.ms === null) return NONE;
  const fill = engine.kept ? 'fill-ink' : 'fill-muted';
  return [
    h('span', {class: 'big'}, milliseconds(engine.ms)),
    engine.spread === null ? null : h('span', {class: 'aside'}, ` ± ${percent(engine.spread)}`),
    s('svg', {class: 'share', 'aria-hidden': 'true'},
      s('rect', {class: fill, width: `${engine.ms / slowest * 100}%`, height: '100%', rx: 2}))
  ];
}

function engineMetric(engine, float, metric) {
  if (engine.metric === null) return NONE;
  const compared = float && engine !== float && float.metric !== null;
  const loss =
      compared ? h('span', {class: 'aside'}, ` ${signed(engine.metric - float.metric, 2)}`) : null;
  return [metricText(engine.metric, metric), loss];
}

// Float is what noise is measured against. Outputs may be of another shape in some samples.
function engineNoise(engine, engines) {
  if (engine.not_compared.length) {
    const left = `not compared: ${engine.not_compared.join(', ')}`;
    return [decibels(engine.sqnr_db), h('span', {class: 'aside'}, ` ${left}`)];
  }
  if (engine.sqnr_db !== null) return decibels(engine.sqnr_db);
  const measured = engines.some((other) => other.sqnr_db !== null);
  return engine.name === 'float' && measured ? 'reference' : NONE;
}

function enginesTable(report) {
  const {engines, metric} = report;
  const float = report.engine('float');
  const slowest = Math.max(...engines.map((engine) => engine.ms ?? 0)) || 1;
  const row = (label, cell) => {
    const values = engines.map(cell);
    if (values.every((value) => value === NONE)) return null;
    return h(
        'tr', null, h('th', {scope: 'row'}, label),
        engines.map((engine, i) => h('td', keptClass(engine), values[i])));
  };
  const speed = (engine) =>
      (float && float.ms !== null && engine.ms ? ratio(float.ms / engine.ms) : NONE);
  return h(
      'table', {class: 'engines'},
      h('caption', {class: 'unseen'}, 'Float, all-INT8 and chosen engine'),
      h('thead', null, h('tr', null, h('td'), engines.map(engineHead))),
      h('tbody', null, row('Time a run', (engine) => engineTime(engine, slowest)),
        row('Against float', speed),
        metric ? row(metric.name, (engine) => engineMetric(engine, float, metric)) : null,
        row('Signal to noise', (engine) => engineNoise(engine, engines)),
        row('Plan', (engine) => bytes(engine.bytes))));
}
