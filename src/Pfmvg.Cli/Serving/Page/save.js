// What is saved: the picture in its own size with the boxes drawn into it, or the answers as JSON.
import { Refused } from './api.js';
import { frame, labels } from './boxes.js';
import { Picture } from './picture.js';

/** The picture with boxes and phrases, as many pixels wide and high as what was sent. */
export async function drawn(picture, marks, window, level) {
  const { width, height } = picture, canvas = document.createElement('canvas'), context = canvas.getContext('2d');
  let { shown } = picture;
  if (picture.isReduced) {
    const whole = await Picture.read(picture.file, picture.name, 0);
    whole.setWindow(window, level);
    ({ shown } = whole);
  }
  [canvas.width, canvas.height] = [width, height];
  context.drawImage(shown, 0, 0);
  const stroke = Math.max(1, Math.round(Math.max(width, height) / 400)), size = Math.max(11, Math.round(Math.max(width, height) / 50));
  for (const { colour, boxes } of marks)
    for (const box of boxes)
      for (const [style, wide] of [['#000', stroke * 2], [colour, stroke]]) {
        [context.strokeStyle, context.lineWidth] = [style, wide];
        context.strokeRect(...frame(box));
      }
  context.font = `600 ${size}px system-ui, sans-serif`;
  [context.lineJoin, context.strokeStyle, context.lineWidth] = ['round', '#000', size / 4];
  const measure = text => context.measureText(text).width;
  for (const { text, colour, x, y } of labels(marks, (left, top) => [left, top - stroke], measure, size * 1.3, [width, height])) {
    context.fillStyle = colour;
    context.strokeText(text, x, y);
    context.fillText(text, x, y);
  }
  const blob = await new Promise(done => canvas.toBlob(done, 'image/png'));
  if (!blob) throw new Refused(`This browser cannot draw a picture of ${width} × ${height} pixels; save the JSON instead.`, 0);
  return blob;
}

/** Everything about a question and its answers. */
export const described = ({ name, asked, constrain, reply }) => new Blob([JSON.stringify({
  notice: 'Research only, not for clinical use.', picture: name, asked: asked.toISOString(), constrain: constrain || null, ...reply,
}, null, 2), '\n'], { type: 'application/json' });

/** Gives a file to the browser to be saved. */
export function save(blob, picture, ending) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = `${picture.replace(/\.[^.]{1,5}$/, '') || 'picture'}-${ending}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
