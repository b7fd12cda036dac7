// The page: a picture, phrases, answers. Nothing is stored; what was asked is forgotten with the tab.
import { Refused, call, ground, useKey } from './api.js';
import { marksOf, sentence } from './boxes.js';
import { answerItem, make, phraseRow } from './parts.js';
import { Picture } from './picture.js';
import { described, drawn, save } from './save.js';
import { View } from './view.js';

const MOST_KEPT = 50;
const byId = id => document.getElementById(id);
const view = new View(byId('stage'), drawnView, dragWindow);
let picture = null, question = null, asking = null, reading = null;
const kept = [];

// ---- messages ----

const say = (place, text) => { byId(place).textContent = text; };

/** Shows what was refused where it belongs: at the picture, at the key, or at the place that asked. */
function complain(failure, place) {
  if (failure.name === 'AbortError') return;
  if (failure.status === 401) {
    byId('key-row').hidden = false;
    byId('key').focus();
    place = 'ask-error';
  } else if (failure.status === 413 || failure.param === 'image' || failure.message.startsWith('image:')) {
    place = 'picture-error';
  }
  say(place, failure instanceof Refused ? failure.message.replace(/^(image|phrases): (.)/, (_, field, first) => first.toUpperCase())
    : `The page failed: ${failure.message}`);
}

// ---- the picture ----

async function open(file, name, about = '') {
  reading?.abort();
  reading = new AbortController();
  say('picture-error', '');
  say('facts', `Reading ${name} …`);
  byId('stage').setAttribute('aria-busy', 'true');
  try {
    const read = await Picture.read(file, name, undefined, reading.signal);
    picture = read;
    picture.about = about;
    resetWindow();
    view.show(picture);
    byId('empty').hidden = true;
    byId('tools').hidden = false;
    say('heard', `Picture ${name}, ${picture.width} by ${picture.height} pixels.`);
    showAnswers(null);
    return true;
  } catch (failure) {
    complain(failure, 'picture-error');
    return false;
  } finally {
    byId('stage').setAttribute('aria-busy', 'false');
    if (picture) say('facts', [picture.name, picture.about, `${picture.width} × ${picture.height} pixels`].filter(Boolean).join(' · '));
    else say('facts', '');
  }
}

function take(list) {
  if (list.length === 0) return;
  const folder = [...list].find(item => item.webkitGetAsEntry?.()?.isDirectory);
  if (folder) return say('picture-error', 'This is a folder; give the picture itself.');
  const files = [...list].map(item => item.getAsFile ? item.getAsFile() : item).filter(Boolean);
  if (files.length === 0) return;
  open(files[0], files[0].name || 'pasted picture', files.length > 1 ? `the first of ${files.length} files` : '');
}

function drawnView() {
  byId('zoom').textContent = picture ? `${Math.round(view.scale * 100)} %` : '';
}

function setWindow() {
  if (!picture) return;
  picture.setWindow(Number(byId('window').value), Number(byId('level').value));
  view.draw();
}

function resetWindow() {
  [byId('window').value, byId('level').value] = [256, 128];
}

function dragWindow(dx, dy) {
  byId('window').value = Number(byId('window').value) + dx;
  byId('level').value = Number(byId('level').value) + dy;
  setWindow();
}

// ---- phrases ----

const phrases = () => [...byId('phrases').querySelectorAll('input')].map(input => input.value.trim());

function setPhrases(list) {
  byId('phrases').replaceChildren(...list.map((text, i) => phraseRow(i + 1, text, () => {
    const left = phrases().filter((_, other) => other !== i);
    setPhrases(left.length ? left : ['']);
    byId('phrases').querySelectorAll('input')[Math.max(0, i - 1)].focus();
  })));
}

function dropEmptyPhrases(left) {
  const hadFocus = byId('phrases').contains(document.activeElement);
  setPhrases(left);
  if (hadFocus) byId('phrases').lastElementChild.querySelector('input').focus();
}

function addPhrase() {
  setPhrases([...phrases(), '']);
  byId('phrases').lastElementChild.querySelector('input').focus();
}

// ---- asking ----

async function ask(event) {
  event.preventDefault();
  if (asking) return;
  say('ask-error', '');
  const asked = phrases().filter(Boolean), constrain = byId('constrain').value;
  if (!picture) return say('ask-error', 'There is no picture yet; choose, drop or paste one.');
  if (asked.length === 0) return say('ask-error', 'There is no phrase yet; write what to find.');
  if (asked.length < phrases().length) dropEmptyPhrases(asked); // numbers and colours of phrases and answers agree
  asking = new AbortController();
  const about = picture; // another may be opened meanwhile
  isAsking(true);
  try {
    const reply = await ground(about.file, asked, constrain, asking.signal);
    question = { name: about.name, about: about.about, file: about.file, asked: new Date(), constrain, reply };
    kept.unshift(question);
    kept.length = Math.min(kept.length, MOST_KEPT);
    showKept();
    if (picture === about) showAnswers(question);
  } catch (failure) {
    complain(failure, 'ask-error');
  } finally {
    asking = null;
    isAsking(false);
  }
}

function isAsking(is) {
  byId('go').setAttribute('aria-disabled', String(is)); // disabled, it would lose the focus
  byId('stop').hidden = !is;
  say('state', is ? 'Asking …' : '');
  byId('answers').setAttribute('aria-busy', String(is));
}

function showAnswers(shown) {
  question = shown;
  byId('answers').hidden = !shown;
  say('save-error', '');
  const marks = shown ? marksOf(shown.reply) : [], hidden = new Set();
  const draw = () => view.setMarks(marks.filter(mark => !hidden.has(mark.number)));
  draw();
  const canvas = view.canvas, size = shown?.reply.image_size;
  canvas.setAttribute('aria-label', picture ? [`${picture.name}, ${picture.width} by ${picture.height} pixels.`,
    ...marks.map(mark => sentence(mark, size))].join(' ') : 'No picture yet');
  if (!shown) return;
  byId('answers').querySelector('ol').replaceChildren(...marks.map(mark => answerItem(mark, size, isShown => {
    hidden[isShown ? 'delete' : 'add'](mark.number);
    draw();
  }, isOn => view.highlight(isOn ? mark.number : null))));
  const { reply, constrain } = shown;
  say('notes', [`Answered by ${reply.model}`, constrain && `decoding: ${constrain === 'boxes' ? 'boxes only' : 'free text'}`,
    reply.dicom && `gray by the DICOM rule "${reply.dicom}"`, reply.note].filter(Boolean).join('; ') + '.');
  say('heard', `${marks.length === 1 ? '1 answer' : `${marks.length} answers`}. ${marks.map(mark => sentence(mark, size)).join(' ')}`);
}

function showKept() {
  byId('history').hidden = kept.length === 0;
  byId('history').querySelector('ol').replaceChildren(...kept.map(one => make('li', {}, make('button', {
    type: 'button',
    className: 'quiet',
    onclick: async () => {
      if (picture?.file !== one.file && !await open(one.file, one.name, one.about)) return;
      setPhrases(one.reply.answers.map(answer => answer.phrase));
      byId('constrain').value = one.constrain;
      showAnswers(one);
    },
  }, `${one.asked.toTimeString().slice(0, 5)} ${one.name}: ${one.reply.answers.map(answer => answer.phrase).join('; ')}`))));
}

async function saved(work) {
  say('save-error', '');
  try {
    await work();
  } catch (failure) {
    complain(failure, 'save-error');
  }
}

// ---- what the server tells of itself ----

async function greet() {
  try {
    const { data } = await (await call('/v1/models')).json();
    say('model', `${data[0].id} answers on this server.`);
    const { synthetic, examples } = await (await call('/v1/examples')).json();
    byId('phantoms').hidden = !synthetic;
    byId('examples').hidden = examples.length === 0;
    byId('examples').querySelector('ul').replaceChildren(...examples.map(exampleItem));
  } catch (failure) {
    complain(failure, 'ask-error');
  }
}

function exampleItem({ number, class: finding, phrases: texts, image_size: [width, height] }) {
  const image = make('img', { alt: '' }), name = `Phantom ${number}`, path = `/v1/examples/picture?number=${number}`;
  const file = call(path).then(answer => answer.blob());
  file.then(async blob => {
    const shown = blob.type === 'application/dicom'
      ? await (await call('/v1/picture?side=160', { method: 'POST', body: blob })).blob() : blob;
    image.src = URL.createObjectURL(shown);
    await image.decode();
  }).catch(() => {}); // the name alone is enough to choose it; then the refusal is told
  const chosen = async () => {
    try {
      if (await open(await file, name, 'drawn by a program')) setPhrases(texts);
    } catch (failure) {
      complain(failure, 'picture-error');
    }
  };
  const button = make('button', { type: 'button', onclick: chosen, title: `${width} × ${height} pixels` },
    image, make('span', {}, finding));
  button.setAttribute('aria-label', `${name}: ${finding}`);
  return make('li', {}, button);
}

// ---- events ----

byId('file').addEventListener('change', event => {
  take(event.target.files);
  event.target.value = ''; // the same file can be chosen again
});
document.addEventListener('paste', event => {
  const items = [...event.clipboardData.items].filter(item => item.kind === 'file');
  if (items.length === 0) return;
  event.preventDefault();
  take(items);
});
addEventListener('dragover', event => {
  event.preventDefault();
  byId('stage').classList.add('over');
});
addEventListener('dragleave', event => event.relatedTarget || byId('stage').classList.remove('over'));
addEventListener('drop', event => {
  event.preventDefault();
  byId('stage').classList.remove('over');
  take([...event.dataTransfer.items].filter(item => item.kind === 'file'));
});
const keys = {
  ArrowLeft: () => view.move(40, 0), ArrowRight: () => view.move(-40, 0),
  ArrowUp: () => view.move(0, 40), ArrowDown: () => view.move(0, -40),
  '+': () => view.zoom(1.25), '=': () => view.zoom(1.25), '-': () => view.zoom(0.8), 0: () => view.fit(), 1: () => view.actual(),
  b: () => byId('show').click(),
};
byId('stage').addEventListener('keydown', event => {
  if (!keys[event.key] || !picture || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  keys[event.key]();
});
const clicks = {
  'zoom-in': () => view.zoom(1.25), 'zoom-out': () => view.zoom(0.8), fit: () => view.fit(), actual: () => view.actual(),
  reset: () => { resetWindow(); setWindow(); }, add: addPhrase, stop: () => { asking?.abort(); byId('go').focus(); },
  'save-png': () => saved(async () => save(await drawn(picture, view.marks, Number(byId('window').value), Number(byId('level').value)),
    picture.name, 'boxes.png')),
  'save-json': () => saved(() => save(described(question), question.name, 'boxes.json')),
  clear: () => { kept.length = 0; showKept(); byId('go').focus(); },
};
for (const [id, clicked] of Object.entries(clicks)) byId(id).addEventListener('click', clicked);
for (const id of ['window', 'level']) byId(id).addEventListener('input', setWindow);
byId('show').addEventListener('change', event => view.showBoxes(event.target.checked));
byId('key').addEventListener('change', event => {
  useKey(event.target.value);
  say('ask-error', '');
  greet();
});
byId('ask').addEventListener('submit', ask);
setPhrases(['']);
greet();
