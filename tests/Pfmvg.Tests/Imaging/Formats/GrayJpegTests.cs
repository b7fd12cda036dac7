using Pfmvg.Imaging;
using Pfmvg.Imaging.Formats;
using SkiaSharp;

namespace Pfmvg.Tests.Imaging.Formats;

/// <summary>The fast decoder agrees with libjpeg-turbo to the bit, and leaves to it what it does not know.</summary>
public sealed class GrayJpegTests
{
    [Fact]
    public void Every_quality_and_size_decodes_as_libjpeg_does()
    {
        var random = new Random(2);
        for (var trial = 0; trial < 60; trial++)
        {
            var (width, height) = (1 + random.Next(150), 1 + random.Next(150));
            using var bitmap = new SKBitmap(new SKImageInfo(width, height, SKColorType.Gray8, SKAlphaType.Opaque));
            var pixels = bitmap.GetPixelSpan();
            var smooth = random.Next(3);
            for (var y = 0; y < height; y++)
                for (var x = 0; x < width; x++)
                    pixels[y * bitmap.RowBytes + x] =
                        (byte)(smooth == 0 ? random.Next(256) : smooth == 1 ? 128 + 120 * Math.Sin(x / 9.0) * Math.Cos(y / 7.0)
                        : (x / 8 + y / 8) % 2 * 255);
            using var data = bitmap.Encode(SKEncodedImageFormat.Jpeg, 1 + random.Next(100));
            AssertSame(data.ToArray());
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(100)]
    public void Restart_markers_are_followed(int interval)
    {
        var jpeg = DcOnlyJpeg(70, 45, interval, seed: interval);
        AssertSame(jpeg);
        if (interval is 0 or 100) return;
        var marker = jpeg.AsSpan().IndexOf((ReadOnlySpan<byte>)[0xff, 0xd1]);
        jpeg[marker + 1] = 0x01; // no restart marker where one is due
        Assert.False(GrayJpeg.TryDecode(jpeg, new DecodeBuffer(), new PictureName("x"), out _));
    }

    [Fact]
    public void Other_kinds_are_left_to_the_other_decoder()
    {
        var gray = DcOnlyJpeg(16, 16, 0, seed: 1);
        Assert.True(GrayJpeg.TryDecode(gray, new DecodeBuffer(), new PictureName("x"), out _));
        var size = gray.AsSpan().IndexOf((ReadOnlySpan<byte>)[0xff, 0xc0]);
        // progressive, arithmetic, 12 bits, colour
        foreach (var (place, value) in new[] { (size + 1, 0xc2), (size + 1, 0xc9), (size + 4, 12), (size + 9, 3) })
        {
            var other = (byte[])gray.Clone();
            other[place] = (byte)value;
            Assert.False(GrayJpeg.TryDecode(other, new DecodeBuffer(), new PictureName("x"), out _));
        }

        for (var length = 0; length < gray.Length - 2; length++)
            Assert.False(GrayJpeg.TryDecode(gray.AsSpan(0, length), new DecodeBuffer(), new PictureName("x"), out _));
    }

    private static void AssertSame(byte[] jpeg)
    {
        Assert.True(GrayJpeg.TryDecode(jpeg, new DecodeBuffer(), new PictureName("x"), out var image));
        using var expected = SKBitmap.Decode(jpeg, new SKImageInfo(image.Width, image.Height, SKColorType.Gray8, SKAlphaType.Opaque));
        for (var y = 0; y < image.Height; y++)
            Assert.True(image.Pixels.Slice(y * image.Width, image.Width)
                .SequenceEqual(expected.GetPixelSpan().Slice(y * expected.RowBytes, image.Width)),
                $"row {y} of {image.Width} x {image.Height}");
    }

    /// <summary>A JPEG of flat blocks: DC codes 0 to 7 of three bits each, and "end of block" as the only AC code.</summary>
    private static byte[] DcOnlyJpeg(int width, int height, int interval, int seed)
    {
        var random = new Random(seed);
        using var file = new MemoryStream();
        file.Write([0xff, 0xd8]);
        file.Write([0xff, 0xdb, 0, 67, 0, .. Enumerable.Repeat((byte)4, 64)]);
        file.Write([0xff, 0xc0, 0, 11, 8, 0, (byte)height, 0, (byte)width, 1, 1, 0x11, 0]);
        file.Write([0xff, 0xc4, 0, 19 + 7, 0, 0, 0, 7, .. new byte[13], 0, 1, 2, 3, 4, 5, 6]);
        file.Write([0xff, 0xc4, 0, 20, 0x10, 1, .. new byte[15], 0]);
        if (interval > 0) file.Write([0xff, 0xdd, 0, 4, 0, (byte)interval]);
        file.Write([0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0]);
        var (bits, count, level, restarts) = (0, 0, 0, 0);
        for (var block = 0; block < (width + 7) / 8 * ((height + 7) / 8); block++)
        {
            if (interval > 0 && block > 0 && block % interval == 0)
            {
                while (count % 8 != 0) Put(1, 1);
                file.Write([0xff, (byte)(0xd0 + restarts++ % 8)]);
                level = 0;
            }

            var size = random.Next(7);
            var difference = size == 0 ? 0 : (1 << (size - 1)) + random.Next(1 << (size - 1));
            if (level > 0) difference = -difference;
            level += difference;
            Put(size, 3);
            if (size > 0) Put(difference > 0 ? difference : difference + (1 << size) - 1, size);
            Put(0, 1); // end of block
        }

        while (count % 8 != 0) Put(1, 1);
        file.Write([0xff, 0xd9]);
        return file.ToArray();

        void Put(int value, int length)
        {
            for (var i = length - 1; i >= 0; i--)
            {
                bits = bits << 1 | (value >> i & 1);
                if (++count % 8 != 0) continue;
                file.WriteByte((byte)bits);
                if ((byte)bits == 0xff) file.WriteByte(0);
                bits = 0;
            }
        }
    }
}
