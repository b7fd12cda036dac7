// A picture in memory: what was sent, and its 8 bits as they are shown. Boxes never pass through here: they stay in original pixels.
import { readPicture } from './api.js';

const SHOWN_SIDE = 3072; // more is fetched only to be saved

export class Picture {
  /** Sends a file to the server and reads what it shows of it. `side` 0 is the whole. */
  static async read(file, name, side = SHOWN_SIDE, signal = undefined) {
    const { blob, width, height } = await readPicture(file, side, signal);
    const bitmap = await createImageBitmap(blob, { colorSpaceConversion: 'none' });
    return new Picture(file, name, width, height, bitmap);
  }

  constructor(file, name, width, height, bitmap) {
    Object.assign(this, { file, name, width, height });
    this.shown = document.createElement('canvas');
    [this.shown.width, this.shown.height] = [bitmap.width, bitmap.height];
    this.context = this.shown.getContext('2d', { willReadFrequently: true });
    this.context.drawImage(bitmap, 0, 0);
    bitmap.close();
    this.pixels = this.context.getImageData(0, 0, this.shown.width, this.shown.height);
    this.source = Uint8Array.from(this.pixels.data);
  }

  /** Whether what is shown has fewer pixels than what was sent. */
  get isReduced() {
    return this.shown.width < this.width || this.shown.height < this.height;
  }

  /** Window and level as DICOM defines them (PS3.3, C.11.2.1.2); 256 and 128 change nothing. */
  setWindow(width, level) {
    const table = Uint8ClampedArray.from({ length: 256 }, (_, value) => ((value - (level - 0.5)) / (width - 1) + 0.5) * 255);
    const { source, pixels: { data } } = this;
    for (let i = 0; i < source.length; i += 4) {
      data[i] = table[source[i]];
      data[i + 1] = table[source[i + 1]];
      data[i + 2] = table[source[i + 2]];
    }
    this.context.putImageData(this.pixels, 0, 0);
  }
}
