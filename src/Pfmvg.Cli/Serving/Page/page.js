'use strict';
const byId = id => document.getElementById(id);
const headers = () => byId('key').value ? { Authorization: 'Bearer ' + byId('key').value } : {};

async function post(path, form) {
  const answer = await fetch(path, { method: 'POST', body: form, headers: headers() });
  if (!answer.ok) throw new Error((await answer.json()).error.message);
  return answer;
}

byId('form').addEventListener('submit', async event => {
  event.preventDefault();
  const file = byId('image').files[0], form = new FormData();
  form.append('image', file);
  byId('status').textContent = 'Asking ...';
  byId('overlay').replaceChildren();
  try {
    URL.revokeObjectURL(byId('picture').src);
    byId('picture').src = URL.createObjectURL(await (await post('/v1/picture?side=2048', form)).blob());
    form.append('phrase', byId('phrase').value);
    form.append('constrain', byId('constrain').checked ? 'boxes' : 'none');
    const reply = await (await post('/v1/ground', form)).json(), answer = reply.answers[0];
    byId('overlay').setAttribute('viewBox', `0 0 ${reply.image_size[0]} ${reply.image_size[1]}`);
    byId('overlay').setAttribute('preserveAspectRatio', 'none');
    for (const [left, top, right, bottom] of answer.boxes) {
      const box = document.createElementNS('http://www.w3.org/2000/svg', 'rect');
      for (const [name, value] of Object.entries({ x: left, y: top, width: right - left, height: bottom - top }))
        box.setAttribute(name, value);
      byId('overlay').append(box);
    }
    const sure = answer.confidence === null ? '' : `, confidence ${answer.confidence.toFixed(2)}`;
    byId('status').textContent = answer.boxes.map(box => `box ${box.join(', ')} pixels${sure}`).join('; ')
      + (answer.flaw ? ` ${answer.flaw}: ${answer.text}` : '');
  } catch (failure) {
    byId('status').textContent = failure.message;
  }
});
