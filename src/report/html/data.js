// The report as all other parts may trust it: every key is there, of its type or null, and no index
// leads nowhere. docs/report_format.md says what they mean.

const number = (value) => (typeof value === 'number' && Number.isFinite(value) ? value : null);
const positive = (value) => (number(value) !== null && value >= 0 ? value : null);
const string = (value) => (typeof value === 'string' ? value : '');
const list = (value) => (Array.isArray(value) ? value : []);
const object = (value) =>
    (value && typeof value === 'object' && !Array.isArray(value) ? value : {});
const integers = (value) => list(value).filter(Number.isInteger);
const indices = (value, count) => integers(value).filter((index) => index >= 0 && index < count);

const PRECISIONS = new Map(
    [['int8', 'INT8'], ['float32', 'float32'], ['float16', 'float16'], ['bfloat16', 'bfloat16']]);

// As a class of style.css: what is no known precision is drawn as "other".
const kindOf = (precision) => (PRECISIONS.has(precision) ? precision : 'other');

function histogramOf(value) {
  const given = object(value);
  const [lo, hi] = [number(given.lo), number(given.hi)];
  const counts = list(given.counts).map((count) => positive(count) ?? 0);
  const total = counts.reduce((sum, count) => sum + count, 0);
  return lo !== null && hi !== null && lo < hi && total > 0 ? {lo, hi, counts, total} : null;
}

function thresholdOf(value) {
  const given = object(value);
  const range = list(given.range).map(number);
  if (range.length !== 2 || range.includes(null)) return null;
  return {
    method: string(given.method),
    range,
    clipped: positive(given.clipped),
    used: given.used === true
  };
}

function engineOf(value) {
  const given = object(value);
  return {
    name: string(given.name),
    ms: positive(given.ms),
    spread: positive(given.spread),
    bytes: positive(given.bytes),
    metric: number(given.metric),
    sqnr_db: number(given.sqnr_db),
    not_compared: list(given.not_compared).filter((name) => typeof name === 'string'),
    kept: given.kept === true
  };
}

function groupOf(value, index, tensorCount) {
  const given = object(value);
  const group = {
    index,
    name: string(given.name) || `layer ${index}`,
    op: string(given.op),
    shape: integers(given.shape),
    precision: string(given.precision) || 'float32',
    reason: string(given.reason),
    refusal: string(given.refusal),
    float_us: positive(given.float_us),
    half_us: positive(given.half_us),
    int8_us: positive(given.int8_us),
    quantize_us: positive(given.quantize_us) ?? 0,
    dequantize_us: positive(given.dequantize_us) ?? 0,
    gain_us: number(given.gain_us),
    spread: positive(given.spread),
    sqnr_db: number(given.sqnr_db),
    weights: histogramOf(given.weights),
    macs: positive(given.macs),
    inputs: [...new Set(indices(given.inputs, tensorCount))],
    output: indices([given.output], tensorCount)[0] ?? null
  };
  if (group.gain_us === null && group.float_us !== null && group.int8_us !== null) {
    group.gain_us = group.float_us - group.int8_us - group.quantize_us - group.dequantize_us;
  }
  return group;
}

function tensorOf(value, index, groupCount) {
  const given = object(value);
  return {
    index,
    name: string(given.name) || `tensor ${index}`,
    shape: integers(given.shape),
    precision: string(given.precision) || 'float32',
    producer: indices([given.producer], groupCount)[0] ?? -1,
    quantize_us: positive(given.quantize_us),
    dequantize_us: positive(given.dequantize_us),
    histogram: histogramOf(given.histogram),
    thresholds: list(given.thresholds).map(thresholdOf).filter(Boolean),
    levels_used: positive(given.levels_used)
  };
}

function paretoOf(value) {
  const given = object(value);
  return {
    lambda: number(given.lambda),
    ms: positive(given.ms),
    sqnr_db: number(given.sqnr_db),
    int8: positive(given.int8),
    chosen: given.chosen === true
  };
}

function reportOf(given) {
  const [groups, tensors] = [list(given.groups), list(given.tensors)];
  const [metric, asked] = [object(given.metric), object(given.asked)];
  const report = {
    octile: string(given.octile),
    model: string(given.model) || 'a network',
    command: string(given.command),
    date: string(given.date),
    device: string(given.device),
    objective: string(given.objective),
    scheme: string(given.scheme),
    method: string(given.method),
    inputs: Object.entries(object(given.inputs)).map(([name,
                                                       shape]) => ({name, shape: integers(shape)})),
    metric: given.metric ? {
      name: string(metric.name) || 'metric',
      unit: string(metric.unit),
      samples: positive(metric.samples)
    } :
                           null,
    engines: list(given.engines).map(engineOf),
    predicted_ms: positive(given.predicted_ms),
    explanation: string(given.explanation),
    pareto: list(given.pareto).map(paretoOf),
    asked: {
      max_loss: number(asked.max_loss),
      min_sqnr_db: number(asked.min_sqnr_db),
      lambda: number(asked.lambda)
    },
    groups: groups.map((group, index) => groupOf(group, index, tensors.length)),
    tensors: tensors.map((tensor, index) => tensorOf(tensor, index, groups.length))
  };
  for (const group of report.groups) {
    group.levels = group.output === null ? null : report.tensors[group.output].levels_used;
  }
  report.engine = (name) => report.engines.find((engine) => engine.name === name) ?? null;
  report.kept = report.engines.find((engine) => engine.kept) ?? null;
  return report;
}

// What the group takes as the assignment labels it.
function timeAsLabelled(group) {
  if (group.precision === 'int8') return group.int8_us;
  return group.precision === 'float32' ? group.float_us : group.half_us;
}

// What converting a tensor costs, where both forms of it exist: it is paid once.
function conversionOf(report, tensor) {
  if (tensor.precision !== 'both') return null;
  const maker = tensor.producer < 0 ? 'float32' : report.groups[tensor.producer].precision;
  return maker === 'int8' ? {kind: 'dequantize', us: tensor.dequantize_us} :
                            {kind: 'quantize', us: tensor.quantize_us};
}

// Why a layer is what it is, in a sentence.
function whyOf(group) {
  if (!group.refusal) return group.reason;
  return group.reason ? `${group.refusal} (${group.reason})` : group.refusal;
}
