// Boxes in words and in colours. A mark is a numbered answer: { number, colour, phrase, boxes, confidences }.
const COLOURS = ['#ffd60a', '#4cc9f0', '#ff7ac6', '#7ae582', '#ff9f1c', '#b9a2ff', '#ff6b6b', '#e6e6e6'];

export const colourOf = number => COLOURS[(number - 1) % COLOURS.length];

/** The marks of a reply of `/v1/ground`. */
export const marksOf = reply => reply.answers.map((answer, i) => ({ ...answer, number: i + 1, colour: colourOf(i + 1) }));

/** Left, top, width and height, whatever the order of the edges. */
export const frame = ([x1, y1, x2, y2]) => [Math.min(x1, x2), Math.min(y1, y2), Math.abs(x2 - x1), Math.abs(y2 - y1)];

/** Where a box is, for those who cannot see it. */
export function place(box, [width, height]) {
  const [left, top, w, h] = frame(box);
  const third = (middle, size, names) => names[Math.min(2, Math.max(0, Math.floor(3 * middle / size)))];
  const row = third(top + h / 2, height, ['upper', 'middle', 'lower']), column = third(left + w / 2, width, ['left', 'centre', 'right']);
  const share = 100 * w * h / (width * height);
  return `${row === 'middle' && column === 'centre' ? 'middle' : `${row} ${column}`} of the picture, `
    + `${share < 1 ? 'less than 1' : share.toFixed(0)} % of its area`;
}

/** The edges in whole pixels; the saved JSON has them as they are. */
export const pixels = box => {
  const [left, top, right, bottom] = box.map(Math.round);
  return `${left}, ${top} to ${right}, ${bottom}`;
};

/** A confidence in words; nothing where there is none. */
export const sure = confidence => confidence === null || confidence === undefined ? '' : `confidence ${confidence.toFixed(2)}`;

/** A whole answer as a sentence. */
export function sentence(mark, size) {
  const found = mark.boxes.map((box, i) => [`${place(box, size)}, pixels ${pixels(box)}`, sure(mark.confidences[i])]
    .filter(Boolean).join(', '));
  const what = found.length === 0 ? `no box${mark.flaw ? ` (${mark.flaw})` : ''}`
    : found.length === 1 ? `box in the ${found[0]}` : `${found.length} boxes: ${found.join('; ')}`;
  return `${mark.number}, ${mark.phrase.replace(/\.$/, '')}: ${what}.`;
}

/**
 * Places for the labels of boxes, above each one where there is room, one below the other where they would meet.
 * `measure` gives a text's width; x and y are of the text's baseline.
 */
export function labels(marks, toView, measure, line, [width, height]) {
  const placed = [];
  for (const { number, phrase, colour, boxes } of marks) {
    const text = `${number} ${phrase.length > 40 ? `${phrase.slice(0, 39).trimEnd()}…` : phrase}`, wide = measure(text);
    for (const box of boxes) {
      const [left, top] = frame(box), corner = toView(left, top);
      const x = Math.max(2, Math.min(corner[0], width - wide - 2));
      let y = Math.max(line, Math.min(corner[1] - line * 0.3, height - 2));
      const meets = other => Math.abs(other.y - y) < line && x < other.x + other.wide && other.x < x + wide;
      for (let tries = 0; tries < 20 && placed.some(meets); tries++) y += line * 0.25;
      placed.push({ text, colour, number, x, y, wide });
    }
  }
  return placed;
}
