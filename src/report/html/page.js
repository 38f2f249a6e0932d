// Start reading here: what is seen first is drawn at once, the rest piece by piece when the browser
// has time, or all of it before printing.

function drawRepeat(report) {
  const facts = [['Device', report.device], ['Objective', report.objective], ['Scheme', report.scheme],
    ['Calibration', report.method], ['Date', report.date], ['Octile', report.octile]];
  const copied = h('button', {type: 'button', class: 'quiet', onclick: async () => {
    try {
      await navigator.clipboard.writeText(report.command);
      copied.textContent = 'Copied';
    } catch {
      getSelection().selectAllChildren(at('command'));
      copied.textContent = 'Selected: press Ctrl+C';
    }
    say(copied.textContent);
    setTimeout(() => (copied.textContent = 'Copy'), 2500);
  }}, 'Copy');
  replace(at('repeat-body'), report.command ? h('div', {class: 'command'}, h('pre', {tabindex: 0}, h('code', {id: 'command'}, report.command)), copied)
    : h('p', {class: 'nothing'}, 'No command was written down.'),
  h('dl', {class: 'pairs'}, facts.filter(([, value]) => value).map(([name, value]) => h('div', null, h('dt', null, name), h('dd', null, named(value))))));
}

function start() {
  startTheme();
  const report = reportOf(JSON.parse(at('report').textContent));
  drawHeadline(report);
  new Details(report);
  const whole = [];  // what grows before printing
  const keep = (grow) => grow && whole.push(grow);
  const parts = [() => keep(drawBars(report)), () => drawTable(report), () => drawPareto(report), () => drawGraph(report),
    () => keep(drawGallery(report)), () => drawRepeat(report)];
  const drawOne = () => {
    parts.shift()?.();
    if (parts.length) setTimeout(drawOne);
    else document.body.dataset.drawn = 'true';
  };
  const drawAll = () => {
    while (parts.length) parts.shift()();
  };
  addEventListener('beforeprint', () => {
    drawAll();
    whole.forEach((grow) => grow());
  });
  addEventListener('hashchange', () => {
    drawAll();
    at(location.hash.slice(1))?.scrollIntoView();
  });
  requestAnimationFrame(() => setTimeout(drawOne));
}

start();
