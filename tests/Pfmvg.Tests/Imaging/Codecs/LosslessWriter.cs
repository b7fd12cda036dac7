namespace Pfmvg.Tests.Imaging.Codecs;

/// <summary>Writes gray lossless JPEG after the text of the standard, with one plain code of 5 bits for all 17 sizes.</summary>
internal static class LosslessWriter
{
    public static byte[] Encode(ushort[] values, int width, int precision, int predictor, int shift, int restartRows)
    {
        var height = values.Length / width;
        var interval = restartRows * width;
        List<byte> stream =
        [
            0xff, 0xd8, 0xff, 0xc3, 0, 11, (byte)precision, (byte)(height >> 8), (byte)height, (byte)(width >> 8), (byte)width,
            1, 1, 0x11, 0,
            0xff, 0xc4, 0, 36, 0, 0, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, .. Enumerable.Range(0, 17).Select(size => (byte)size),
            0xff, 0xdd, 0, 4, (byte)(interval >> 8), (byte)interval,
            0xff, 0xff, 0xda, 0, 8, 1, 1, 0, (byte)predictor, 0, (byte)shift,
        ];
        var (pending, count) = (0UL, 0);
        for (var y = 0; y < height; y++)
        {
            var first = restartRows == 0 ? y == 0 : y % restartRows == 0;
            if (first && y > 0)
            {
                Flush();
                stream.AddRange([0xff, (byte)(0xd0 + (y / restartRows - 1) % 8)]);
            }

            for (var x = 0; x < width; x++)
            {
                int At(int dx, int dy) => values[(y - dy) * width + x - dx] >> shift;
                var predicted = (first, x) switch
                {
                    (true, 0) => 1 << (precision - shift - 1),
                    (true, _) => At(1, 0),
                    (_, 0) => At(0, 1),
                    _ => predictor switch
                    {
                        1 => At(1, 0),
                        2 => At(0, 1),
                        3 => At(1, 1),
                        4 => At(1, 0) + At(0, 1) - At(1, 1),
                        5 => At(1, 0) + ((At(0, 1) - At(1, 1)) >> 1),
                        6 => At(0, 1) + ((At(1, 0) - At(1, 1)) >> 1),
                        _ => (At(1, 0) + At(0, 1)) >> 1,
                    },
                };
                var difference = (int)(short)(At(0, 0) - predicted);
                var size = 0;
                while (Math.Abs(difference) >> size != 0) size++;
                Put(size, 5);
                if (size is > 0 and < 16) Put((difference < 0 ? difference - 1 : difference) & ((1 << size) - 1), size);
            }
        }

        Flush();
        return [.. stream, 0xff, 0xd9];

        void Put(int bits, int length)
        {
            (pending, count) = (pending << length | (uint)bits, count + length);
            for (; count >= 8; count -= 8)
            {
                stream.Add((byte)(pending >> (count - 8)));
                if (stream[^1] == 0xff) stream.Add(0);
            }
        }

        void Flush()
        {
            if (count > 0) Put((1 << (8 - count)) - 1, 8 - count);
        }
    }
}
