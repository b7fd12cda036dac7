// Pieces of the page that are made again and again.
import { colourOf, pixels, place, sure } from './boxes.js';

/** An element with properties and content. */
export function make(tag, properties = {}, ...content) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...content);
  return made;
}

/** The number of an answer, in the colour of its boxes. */
export function chip(number) {
  const made = make('span', { className: 'chip' }, String(number));
  made.style.backgroundColor = colourOf(number);
  return made;
}

/** A phrase that can be typed. */
export function phraseRow(number, text, removed) {
  const input = make('input', { type: 'text', value: text, maxLength: 2000, autocomplete: 'off', placeholder: 'left pleural effusion' });
  input.setAttribute('aria-label', `Phrase ${number}`);
  const remove = make('button', { type: 'button', className: 'quiet', textContent: '×', onclick: removed });
  remove.setAttribute('aria-label', `Remove phrase ${number}`);
  return make('li', {}, chip(number), input, remove);
}

/** An answer in words. `toggled` gets whether its boxes are shown, `pointed` whether it is looked at. */
export function answerItem(mark, size, toggled, pointed) {
  const box = make('input', { type: 'checkbox', checked: true, onchange: event => toggled(event.target.checked) });
  const facts = mark.boxes.map((one, i) => make('li', {}, place(one, size).replace(/^./, first => first.toUpperCase()),
    make('span', { className: 'numbers' }, [`pixels ${pixels(one)}`, sure(mark.confidences[i])].filter(Boolean).join(', '))));
  const item = make('li', {}, make('label', {}, box, chip(mark.number), make('b', {}, mark.phrase)));
  if (mark.flaw) item.append(make('p', { className: 'flaw' }, `${mark.boxes.length ? 'The answer is flawed' : 'No box'}: ${mark.flaw}.`));
  else if (mark.boxes.length === 0) item.append(make('p', { className: 'flaw' }, 'No box.'));
  item.append(make('ul', {}, ...facts),
    make('details', {}, make('summary', {}, 'What the model wrote'), make('code', {}, mark.text || '(nothing)')));
  for (const [event, isOn] of [['pointerenter', true], ['pointerleave', false], ['focusin', true], ['focusout', false]])
    item.addEventListener(event, () => pointed(isOn));
  return item;
}
