// Start reading here: what is seen first is drawn at once, the rest piece by piece when the browser
// has time, or all of it before printing.

function copyButton(text) {
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      own.textContent = 'Copied';
    } catch {  // a browser may refuse; the text is then selected, for the keyboard
      getSelection().selectAllChildren(at('command'));
      own.textContent = 'Selected: press Ctrl+C';
    }
    say(own.textContent);
    setTimeout(() => (own.textContent = 'Copy'), 2500);
  };
  const own = button({class: 'quiet', onclick: copy}, 'Copy');
  return own;
}

function drawRepeat(report) {
  const {command} = report;
  const text = h('pre', {tabindex: 0}, h('code', {id: 'command'}, command));
  const facts = [
    ['Device', report.device], ['Objective', report.objective], ['Scheme', report.scheme],
    ['Calibration', report.method], ['Date', report.date], ['Octile', report.octile]
  ].filter(([, value]) => value);
  const pair = ([name, value]) => h('div', null, h('dt', null, name), h('dd', null, named(value)));
  replace(
      at('repeat-body'),
      command ? h('div', {class: 'command'}, text, copyButton(command)) :
                h('p', {class: 'nothing'}, 'No command was written down.'),
      facts.length ? h('dl', {class: 'pairs'}, facts.map(pair)) : null);
}

function start() {
  startTheme();
  const report = reportOf(JSON.parse(at('report').textContent));
  drawHeadline(report);
  new Details(report);
  const whole = [];  // what grows before printing
  const keep = (grow) => grow && whole.push(grow);
  const parts = [
    () => keep(drawBars(report)), () => drawTable(report), () => drawPareto(report),
    () => drawGraph(report), () => keep(drawGallery(report)), () => drawRepeat(report)
  ];
  const drawOne = () => {
    parts.shift()?.();
    if (parts.length)
      setTimeout(drawOne);
    else
      document.body.dataset.drawn = 'true';
  };
  const drawAll = () => {
    while (parts.length) parts.shift()();
  };
  addEventListener('beforeprint', () => {
    drawAll();
    whole.forEach((grow) => grow());
  });
  const goThere = () => {  // what is above must be drawn before a place is known
    drawAll();
    at(location.hash.slice(1))?.scrollIntoView();
  };
  addEventListener('hashchange', goThere);
  if (location.hash) goThere();
  requestAnimationFrame(() => setTimeout(drawOne));
}

start();
