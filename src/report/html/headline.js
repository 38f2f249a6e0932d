// What one wants to know first: how much faster, at what loss, how large; the three engines side by
// side; which of them was kept, and why.

const ENGINE_NAMES = new Map([['float', 'Float'], ['int8', 'All INT8'], ['chosen', 'Chosen']]);
const engineName = (engine) => ENGINE_NAMES.get(engine.name) ?? engine.name;
const inSentence = (engine) => ({float: 'float', int8: 'all‑INT8', chosen: 'the chosen mix'})[engine.name] ?? engine.name;

// "points" of a percentage; else the metric's own unit.
const pointsOf = (metric) => (metric.unit === '%' ? ' pt' : ` ${metric.unit}`);
const metricText = (value, metric) => (value === null ? NONE : `${fixed(value, 2)} ${metric.unit}`.trim());

function headlineText(report) {
  const [kept, float] = [report.kept, report.engine('float')];
  if (!kept || kept.ms === null) return 'Not timed as a whole';
  if (kept.name === 'float') return 'INT8 does not pay here: the engine stays float';
  if (!float || float.ms === null || kept.ms === 0) return `${milliseconds(kept.ms)} a run`;
  const factor = float.ms / kept.ms;
  return factor >= 1 ? `${ratio(factor)} faster than float` : `${ratio(1 / factor)} slower than float`;
}

function timeStat(report) {
  const [kept, float] = [report.kept, report.engine('float')];
  if (!kept || kept.ms === null) return null;
  const beside = float && float !== kept && float.ms !== null ? `float: ${milliseconds(float.ms)}` : 'a run, measured';
  return ['Time', milliseconds(kept.ms), beside];
}

function accuracyStat(report) {
  const [kept, float, metric] = [report.kept, report.engine('float'), report.metric];
  if (!kept) return null;
  if (metric && kept.metric !== null) {
    const samples = metric.samples === null ? '' : `, ${many(metric.samples, 'sample')}`;
    if (!float || float.metric === null || float === kept) return [metric.name, metricText(kept.metric, metric), `of the kept engine${samples}`];
    return [metric.name, `${signed(kept.metric - float.metric, 2)}${pointsOf(metric)}`,
      `${fixed(kept.metric, 2)} against ${metricText(float.metric, metric)}${samples}`];
  }
  if (kept.name === 'float') return ['Noise', 'none', 'float is the reference'];
  return kept.sqnr_db === null ? ['Accuracy', 'not measured', 'labels or samples give it']
    : ['Signal to noise', decibels(kept.sqnr_db), 'at the outputs, against float'];
}

function sizeStat(report) {
  const [kept, float] = [report.kept, report.engine('float')];
  if (!kept || kept.bytes === null) return null;
  const smaller = float && float !== kept && float.bytes !== null && kept.bytes > 0;
  return ['Plan', bytes(kept.bytes), smaller ? `float: ${bytes(float.bytes)}` : 'as written'];
}

function layersStat(report) {
  if (!report.groups.length) return null;
  const count = report.groups.filter((group) => group.precision === 'int8').length;
  const others = new Map();
  for (const group of report.groups) {
    if (group.precision !== 'int8') others.set(group.precision, (others.get(group.precision) ?? 0) + 1);
  }
  const rest = [...others].map(([name, n]) => `${n} ${PRECISIONS.get(name) ?? 'other'}`).join(', ');
  return ['Layers in INT8', `${count} of ${report.groups.length}`, rest || 'all of them'];
}

function enginesTable(report) {
  const engines = report.engines;
  const [float, metric] = [report.engine('float'), report.metric];
  const slowest = Math.max(...engines.map((engine) => engine.ms ?? 0)) || 1;
  const row = (label, cell) => {
    const cells = engines.map((engine) => ({engine, value: cell(engine)}));
    return cells.every(({value}) => value === NONE) ? null : h('tr', null, h('th', {scope: 'row'}, label),
      cells.map(({engine, value}) => h('td', {class: engine.kept ? 'kept' : null}, value)));
  };
  const timeCell = (engine) => (engine.ms === null ? NONE : [
    h('span', {class: 'big'}, milliseconds(engine.ms)),
    engine.spread === null ? null : h('span', {class: 'aside'}, ` ± ${percent(engine.spread)}`),
    s('svg', {class: 'share', 'aria-hidden': 'true'}, s('rect', {class: engine.kept ? 'fill-ink' : 'fill-muted',
      width: `${engine.ms / slowest * 100}%`, height: '100%', rx: 2}))]);
  const lossOf = (engine) => (float && engine !== float && float.metric !== null
    ? h('span', {class: 'aside'}, ` ${signed(engine.metric - float.metric, 2)}`) : null);
  return h('table', {class: 'engines'},
    h('caption', {class: 'unseen'}, 'Float, all-INT8 and chosen engine'),
    h('thead', null, h('tr', null, h('td'), engines.map((engine) => h('th', {scope: 'col', class: engine.kept ? 'kept' : null},
      named(engineName(engine)), engine.kept ? h('span', {class: 'badge solid'}, '✓ kept') : null)))),
    h('tbody', null,
      row('Time a run', timeCell),
      row('Against float', (engine) => (float && float.ms !== null && engine.ms ? ratio(float.ms / engine.ms) : NONE)),
      metric ? row(metric.name, (engine) => (engine.metric === null ? NONE : [metricText(engine.metric, metric), lossOf(engine)])) : null,
      row('Signal to noise', (engine) => (engine.sqnr_db === null ? (engine.name === 'float' &&
        engines.some((other) => other.sqnr_db !== null) ? 'reference' : NONE) : decibels(engine.sqnr_db))),
      row('Plan', (engine) => bytes(engine.bytes))));
}

// Why this engine and no other.
function keptSentence(report) {
  const {kept, engines} = report;
  if (!kept || kept.ms === null) return '';
  const others = engines.filter((engine) => engine !== kept && engine.ms !== null);
  if (!others.length) return '';
  const beside = others.map((engine) => `${inSentence(engine)} takes ${milliseconds(engine.ms)}`).join(', ');
  const fastest = others.every((engine) => engine.ms >= kept.ms);
  if (kept.name === 'float') return `Float was kept: it takes ${milliseconds(kept.ms)}; ${beside}.`;
  const name = kept.name === 'chosen' ? 'The chosen mix' : `The ${inSentence(kept)} engine`;
  if (fastest) return `${name} was kept: the fastest of ${others.length === 1 ? 'both' : `all ${others.length + 1}`}, timed in turns as wholes.`;
  return `${name} was kept, ${askedSentence(report) ? 'for what was asked, ' : ''}though not the fastest: ${beside}.`;
}

function askedSentence(report) {
  const {asked, metric, kept} = report;
  const parts = [];
  if (report.objective && report.objective !== 'latency') parts.push(`for ${report.objective}`);
  if (asked.max_loss !== null) parts.push(`a loss of at most ${plain(asked.max_loss)}${metric ? pointsOf(metric) : ''}`);
  if (asked.min_sqnr_db !== null) parts.push(`at least ${decibels(asked.min_sqnr_db)}`);
  if (asked.lambda) parts.push(`λ = ${plain(asked.lambda)}`);
  if (!parts.length) return '';
  const float = report.engine('float');
  const got = metric && asked.max_loss !== null && kept && float && kept.metric !== null && float.metric !== null
    ? ` The kept engine loses ${plain(Math.max(0, float.metric - kept.metric))}${pointsOf(metric)}.` : '';
  return `Asked: ${parts.join(', ')}.${got}`;
}

function predictedSentence(report) {
  const chosen = report.engine('chosen') ?? report.kept;
  if (report.predicted_ms === null || !chosen || !chosen.ms) return '';
  const off = Math.round((report.predicted_ms / chosen.ms - 1) * 100);
  const how = off === 0 ? 'as measured' : `${Math.abs(off)} % ${off < 0 ? 'less' : 'more'} than measured`;
  return `Single layers add up to ${milliseconds(report.predicted_ms)} for the chosen mix, ${how}` +
    `${report.explanation ? `: ${report.explanation}` : ''}.`.replace(/\.\.$/, '.');
}

// The times of the chosen mix in running order: layers, and the conversions of what they make.
function timeSlices(report) {
  const converted = report.tensors.filter((tensor) => conversionOf(report, tensor)?.us);
  const slices = converted.filter((tensor) => tensor.producer < 0);
  for (const group of report.groups) slices.push(group, ...converted.filter((tensor) => tensor.producer === group.index));
  return slices.map((slice) => (slice.op === undefined ? {kind: 'convert', us: conversionOf(report, slice).us}
    : {kind: PRECISIONS.has(slice.precision) ? slice.precision : 'other', us: timeAsLabelled(slice) ?? 0}));
}

// Each as wide as its time.
function strip(report) {
  const slices = timeSlices(report);
  const total = slices.reduce((sum, {us}) => sum + us, 0);
  if (!total) return null;
  const sums = new Map();
  let from = 0;
  const rects = slices.filter(({us}) => us > 0).map(({kind, us}) => {
    sums.set(kind, (sums.get(kind) ?? 0) + us);
    const rect = s('rect', {class: `fill-${kind}${us > total / 250 ? ' slice' : ''}`, x: `${from / total * 100}%`, width: `${us / total * 100}%`,
      y: kind === 'int8' ? '0' : '40%', height: kind === 'int8' ? '100%' : '60%'});
    from += us;
    return rect;
  });
  const legend = [...sums].map(([kind, us]) => h('li', null, h('span', {class: `key key-${kind}`}),
    `${PRECISIONS.get(kind) ?? (kind === 'convert' ? 'conversions' : kind)} ${time(us)}`));
  return h('figure', {class: 'strip'},
    h('figcaption', null, 'Where the chosen mix spends its time: layers in running order, INT8 tall, float low'),
    s('svg', {'aria-hidden': 'true'}, rects), h('ul', {class: 'legend'}, legend));
}

function drawHeadline(report) {
  at('model').textContent = report.model;
  const inputs = report.inputs.map(({name, shape}) => `${shortened(name, 24)} ${extent(shape)}`).join(', ');
  const facts = [report.device, inputs && `input ${inputs}`, report.scheme, report.method, report.date];
  replace(at('facts'), facts.filter(Boolean).map((fact) => h('span', null, named(shortened(fact, 100), {title: fact}))));
  const stats = [timeStat, accuracyStat, sizeStat, layersStat].map((stat) => stat(report)).filter(Boolean);
  const why = [keptSentence, askedSentence, predictedSentence].map((say) => say(report)).filter(Boolean);
  replace(at('headline'),
    h('p', {class: 'hero'}, headlineText(report)),
    stats.length ? h('dl', {class: 'stats'}, stats.map(([name, value, beside]) => h('div', null,
      h('dt', null, name), h('dd', {class: 'value'}, value), h('dd', {class: 'aside'}, beside)))) : null,
    report.engines.length ? enginesTable(report) : h('p', {class: 'nothing'}, 'No engine was timed.'),
    why.map((sentence) => h('p', {class: 'why'}, sentence)), strip(report));
}
