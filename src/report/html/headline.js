// What one wants to know first: how much faster, at what loss, how large; which of the engines was
// kept, and why.

const inSentence = (engine) =>
    ({float: 'float', int8: 'all‑INT8', chosen: 'the chosen mix'})[engine.name] ?? engine.name;

// "points" of a percentage; else the metric's own unit.
const pointsOf = (metric) => (metric.unit === '%' ? ' pt' : ` ${metric.unit}`);
const metricText = (value, metric) =>
    (value === null ? NONE : `${fixed(value, 2)} ${metric.unit}`.trim());

// Kept as such, or chosen because no layer gains.
const staysFloat = ({kept, groups}) => kept.name === 'float' ||
    (groups.length > 0 && groups.every((group) => group.precision === 'float32'));

const LOW_SQNR = 15;  // dB: below it networks tend to give other answers

function headlineText(report) {
  const [kept, float] = [report.kept, report.engine('float')];
  if (!kept || kept.ms === null) return 'Not timed as a whole';
  if (staysFloat(report)) return 'INT8 does not pay here: the engine stays float';
  if (!float || float.ms === null || kept.ms === 0) return `${milliseconds(kept.ms)} a run`;
  const factor = float.ms / kept.ms;
  if (Math.abs(factor - 1) < 0.005) return 'As fast as float';
  return factor >= 1 ? `${ratio(factor)} faster than float` :
                       `${ratio(1 / factor)} slower than float`;
}

function timeStat(report) {
  const [kept, float] = [report.kept, report.engine('float')];
  if (!kept || kept.ms === null) return null;
  const beside = float && float !== kept && float.ms !== null ? `float: ${milliseconds(float.ms)}` :
                                                                'a run, measured';
  return ['Time', milliseconds(kept.ms), beside];
}

function accuracyStat(report) {
  const [kept, float, metric] = [report.kept, report.engine('float'), report.metric];
  if (!kept) return null;
  if (metric && kept.metric !== null) {
    const samples = metric.samples === null ? '' : `, ${many(metric.samples, 'sample')}`;
    if (!float || float.metric === null || float === kept) {
      return [metric.name, metricText(kept.metric, metric), `of the kept engine${samples}`];
    }
    return [
      metric.name, `${signed(kept.metric - float.metric, 2)}${pointsOf(metric)}`,
      `${fixed(kept.metric, 2)} against ${metricText(float.metric, metric)}${samples}`
    ];
  }
  if (kept.name === 'float') return ['Noise', 'none', 'float is the reference'];
  if (kept.sqnr_db === null) return ['Accuracy', 'not measured', 'labels or samples give it'];
  const judged =
      kept.sqnr_db < LOW_SQNR ? ': little, look for the noisiest layers' : ', against float';
  return ['Signal to noise', decibels(kept.sqnr_db), `at the outputs${judged}`];
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
    if (group.precision !== 'int8')
      others.set(group.precision, (others.get(group.precision) ?? 0) + 1);
  }
  const rest = [...others].map(([name, n]) => `${n} ${PRECISIONS.get(name) ?? 'other'}`).join(', ');
  return ['Layers in INT8', `${count} of ${report.groups.length}`, rest || 'all of them'];
}

// Why this engine and no other.
function keptSentence(report) {
  const {kept, engines} = report;
  if (!kept || kept.ms === null) return '';
  const others = engines.filter((engine) => engine !== kept && engine.ms !== null);
  if (!others.length) return '';
  const beside =
      others.map((engine) => `${inSentence(engine)} takes ${milliseconds(engine.ms)}`).join(', ');
  const fastest = others.every((engine) => engine.ms >= kept.ms);
  if (kept.name === 'float') return `Float was kept: it takes ${milliseconds(kept.ms)}; ${beside}.`;
  const name = kept.name === 'chosen' ? 'The chosen mix' : `The ${inSentence(kept)} engine`;
  if (fastest)
    return `${name} was kept: the fastest of ${
        others.length === 1 ? 'both' : `all ${others.length + 1}`}, timed in turns as wholes.`;
  return `${name} was kept, ${
      askedSentence(report) ? 'for what was asked, ' : ''}though not the fastest: ${beside}.`;
}

function askedSentence(report) {
  const {asked, metric, kept} = report;
  const parts = [];
  if (report.objective && report.objective !== 'latency') parts.push(`for ${report.objective}`);
  if (asked.max_loss !== null)
    parts.push(`a loss of at most ${plain(asked.max_loss)}${metric ? pointsOf(metric) : ''}`);
  if (asked.min_sqnr_db !== null) parts.push(`at least ${decibels(asked.min_sqnr_db)}`);
  if (asked.lambda) parts.push(`λ = ${plain(asked.lambda)}`);
  if (!parts.length) return '';
  const float = report.engine('float');
  const got = metric && asked.max_loss !== null && kept && float && kept.metric !== null &&
          float.metric !== null ?
      ` The kept engine loses ${plain(Math.max(0, float.metric - kept.metric))}${
          pointsOf(metric)}.` :
      '';
  return `Asked: ${parts.join(', ')}.${got}`;
}

function predictedSentence(report) {
  const chosen = report.engine('chosen') ?? report.kept;
  if (report.predicted_ms === null || !chosen || !chosen.ms) return '';
  const off = Math.round((report.predicted_ms / chosen.ms - 1) * 100);
  const how =
      off === 0 ? 'as measured' : `${Math.abs(off)} % ${off < 0 ? 'less' : 'more'} than measured`;
  const text = report.explanation;
  const explained = text ? ` ${text[0].toUpperCase()}${text.slice(1).replace(/\.$/, '')}.` : '';
  return `Single layers add up to ${milliseconds(report.predicted_ms)} for the chosen mix, ${
             how}.` +
      explained;
}

function drawHeadline(report) {
  at('model').textContent = report.model;
  const inputs =
      report.inputs.map(({name, shape}) => `${shortened(name, 24)} ${extent(shape)}`).join(', ');
  const facts =
      [report.device, inputs && `input ${inputs}`, report.scheme, report.method, report.date];
  replace(
      at('facts'),
      facts.filter(Boolean).map(
          (fact) => h('span', null, named(shortened(fact, 100), {title: fact}))));
  const stats =
      [timeStat, accuracyStat, sizeStat, layersStat].map((stat) => stat(report)).filter(Boolean);
  const why =
      [keptSentence, askedSentence, predictedSentence].map((say) => say(report)).filter(Boolean);
  replace(
      at('headline'), h('p', {class: 'hero'}, headlineText(report)),
      stats.length ? h('dl', {class: 'stats'},
                       stats.map(
                           ([name, value, beside]) =>
                               h('div', null, h('dt', null, name), h('dd', {class: 'value'}, value),
                                 h('dd', {class: 'aside'}, beside)))) :
                     null,
      report.engines.length ? enginesTable(report) :
                              h('p', {class: 'nothing'}, 'No engine was timed.'),
      why.map((sentence) => h('p', {class: 'why'}, sentence)), strip(report));
}
