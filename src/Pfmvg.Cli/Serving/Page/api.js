// Requests to the server that the page came from; there is no other.
let key = '';

/** What the server, or the way to it, refused: one sentence for the user. */
export class Refused extends Error {
  constructor(message, status, param) {
    super(message);
    Object.assign(this, { status, param });
  }
}

/** The key that later requests bring; it is kept nowhere else. */
export function useKey(text) {
  key = text;
}

export async function call(path, options = {}) {
  const headers = { ...options.headers, ...key && { Authorization: `Bearer ${key}` } };
  let answer;
  try {
    answer = await fetch(path, { ...options, headers });
  } catch (failure) {
    if (failure.name === 'AbortError') throw failure;
    throw new Refused('The server does not answer, or the file can no longer be read; see whether the server still runs.', 0);
  }
  if (answer.ok) return answer;
  const error = await answer.json().then(body => body.error, () => ({ message: `The server answered with status ${answer.status}.` }));
  throw new Refused(withWait(error.message, answer.headers.get('Retry-After')), answer.status, error.param);
}

/** The picture as the model's decoder sees it: a PNG of 8 bits, at most `side` pixels wide and high. */
export async function readPicture(file, side, signal) {
  const answer = await call(`/v1/picture${side ? `?side=${side}` : ''}`,
    { method: 'POST', body: file, headers: { 'Content-Type': 'application/octet-stream' }, signal });
  const [width, height] = answer.headers.get('Image-Size').split('x').map(Number);
  return { blob: await answer.blob(), width, height };
}

export async function ground(file, phrases, constrain, signal) {
  const form = new FormData();
  form.append('image', file);
  for (const phrase of phrases) form.append('phrase', phrase);
  if (constrain) form.append('constrain', constrain);
  return (await call('/v1/ground', { method: 'POST', body: form, signal })).json();
}

function withWait(sentence, seconds) {
  if (!seconds) return sentence;
  const when = `in ${seconds} ${seconds === '1' ? 'second' : 'seconds'}`;
  return /again later\.$/.test(sentence) ? sentence.replace(/later\.$/, `${when}.`) : `${sentence.replace(/\.$/, '')}, ${when}.`;
}
