// The view of a picture. One transform maps original pixels to the view: the picture is drawn by it, and the boxes hang on it.
import { frame, labels } from './boxes.js';

const SVG = 'http://www.w3.org/2000/svg';
const LINE = 17; // height of a label's line

export class View {
  /**
   * @param stage Holds the canvas and the SVG.
   * @param changed Called after each drawing.
   * @param windowed Gets how far the pointer was dragged for the gray scale.
   */
  constructor(stage, changed, windowed) {
    Object.assign(this, { stage, changed, windowed, picture: null, marks: [], scale: 1, x: 0, y: 0, isFitted: true, areBoxesShown: true });
    [this.canvas, this.svg] = [stage.querySelector('canvas'), stage.querySelector('svg')];
    [this.boxes, this.labels] = this.svg.querySelectorAll('g');
    this.pointers = new Map();
    new ResizeObserver(() => this.resize()).observe(stage);
    this.listen();
  }

  show(picture) {
    this.picture = picture;
    this.setMarks([]);
    this.fit();
  }

  /** Answers whose boxes are drawn, in original pixels. */
  setMarks(marks) {
    this.marks = marks;
    this.boxes.replaceChildren(...marks.flatMap(mark => mark.boxes.flatMap(box => ['under', 'box'].map(kind => {
      const [x, y, width, height] = frame(box), rect = document.createElementNS(SVG, 'rect');
      for (const [name, value] of Object.entries({ class: kind, x, y, width, height, 'data-number': mark.number }))
        rect.setAttribute(name, value);
      if (kind === 'box') rect.setAttribute('stroke', mark.colour);
      return rect;
    }))));
    this.labels.replaceChildren();
    this.draw();
  }

  /** Makes the boxes of one answer thicker; null makes none so. */
  highlight(number) {
    for (const rect of this.boxes.children) rect.classList.toggle('strong', Number(rect.dataset.number) === number);
  }

  showBoxes(areShown) {
    this.areBoxesShown = areShown;
    this.svg.style.display = areShown ? '' : 'none';
  }

  get size() {
    return [this.stage.clientWidth, this.stage.clientHeight];
  }

  /** The scale at which the whole picture is seen. */
  get fitting() {
    const [width, height] = this.size;
    return Math.max(1e-6, Math.min(width / this.picture.width, height / this.picture.height));
  }

  fit() {
    if (!this.picture) return this.draw();
    this.setScale(this.fitting);
    this.isFitted = true;
    this.draw();
  }

  /** One original pixel is one pixel of the page. */
  actual() {
    if (this.picture) this.zoom(1 / this.scale);
  }

  /** Zooms, while the point of the view at x, y stays where it is; without them, its middle. */
  zoom(factor, x = this.size[0] / 2, y = this.size[1] / 2) {
    if (!this.picture) return;
    const before = this.scale, least = Math.min(1, this.fitting);
    this.scale = Math.min(Math.max(32, 8 * this.fitting), Math.max(least, before * factor));
    this.x = x - (x - this.x) * this.scale / before;
    this.y = y - (y - this.y) * this.scale / before;
    this.isFitted = Math.abs(this.scale / this.fitting - 1) < 1e-6;
    this.move(0, 0);
  }

  /** Moves the picture; it cannot leave the view. */
  move(dx, dy) {
    if (!this.picture) return;
    const hold = (at, length, view) => length <= view ? (view - length) / 2 : Math.min(0, Math.max(view - length, at));
    const [width, height] = this.size;
    this.x = hold(this.x + dx, this.picture.width * this.scale, width);
    this.y = hold(this.y + dy, this.picture.height * this.scale, height);
    this.draw();
  }

  setScale(scale) {
    const [width, height] = this.size;
    this.scale = scale;
    this.x = (width - this.picture.width * scale) / 2;
    this.y = (height - this.picture.height * scale) / 2;
  }

  resize() {
    if (this.picture && !this.isFitted) this.move(0, 0);
    else this.fit();
  }

  draw() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = 0;
      this.drawNow();
    });
  }

  drawNow() {
    const { canvas, picture, scale, x, y } = this, [width, height] = this.size, dots = devicePixelRatio;
    const [across, down] = [Math.round(width * dots), Math.round(height * dots)];
    if (canvas.width !== across || canvas.height !== down) [canvas.width, canvas.height] = [across, down];
    const context = canvas.getContext('2d');
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (picture) {
      context.setTransform(scale * dots, 0, 0, scale * dots, x * dots, y * dots);
      context.imageSmoothingEnabled = scale * picture.width / picture.shown.width < 4; // beyond it pixels are squares
      context.imageSmoothingQuality = 'high';
      context.drawImage(picture.shown, 0, 0, picture.width, picture.height);
      this.boxes.setAttribute('transform', `matrix(${scale} 0 0 ${scale} ${x} ${y})`);
      this.drawLabels(width, height);
      this.stage.classList.toggle('zoomed', !this.isFitted);
    }
    this.changed();
  }

  drawLabels(width, height) {
    const texts = [...this.labels.children];
    const measure = text => {
      const shown = texts.find(one => one.textContent === text) ?? document.createElementNS(SVG, 'text');
      if (!shown.isConnected) {
        shown.textContent = text;
        this.labels.append(shown);
        texts.push(shown);
      }
      return shown.getComputedTextLength();
    };
    const toView = (left, top) => [left * this.scale + this.x, top * this.scale + this.y];
    const placed = labels(this.marks, toView, measure, LINE, [width, height]);
    this.labels.replaceChildren(...placed.map(({ text, colour, x, y }) => {
      const shown = document.createElementNS(SVG, 'text');
      for (const [name, value] of Object.entries({ x, y, fill: colour })) shown.setAttribute(name, value);
      shown.textContent = text;
      return shown;
    }));
  }

  listen() {
    const { stage, pointers } = this;
    const at = event => {
      const place = stage.getBoundingClientRect();
      return [event.clientX - place.left - stage.clientLeft, event.clientY - place.top - stage.clientTop];
    };
    stage.addEventListener('wheel', event => {
      if (!this.picture) return;
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), ...at(event));
    }, { passive: false });
    stage.addEventListener('pointerdown', event => {
      if (!this.picture) return;
      if (event.isTrusted) stage.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, at(event));
    });
    for (const end of ['pointerup', 'pointercancel']) stage.addEventListener(end, event => pointers.delete(event.pointerId));
    stage.addEventListener('pointermove', event => {
      const before = pointers.get(event.pointerId);
      if (!before) return;
      const now = at(event), other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
      pointers.set(event.pointerId, now);
      const [dx, dy] = [now[0] - before[0], now[1] - before[1]];
      if (other) {
        const apart = point => Math.max(1, Math.hypot(point[0] - other[0], point[1] - other[1]));
        this.zoom(apart(now) / apart(before), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
        this.move(dx / 2, dy / 2);
      } else if (event.buttons & 2 || event.shiftKey) {
        this.windowed(dx, dy);
      } else {
        this.move(dx, dy);
      }
    });
    stage.addEventListener('contextmenu', event => this.picture && event.preventDefault());
    stage.addEventListener('dblclick', () => this.fit());
  }
}
