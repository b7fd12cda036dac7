using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Pfmvg.Imaging.Codecs;

namespace Pfmvg.Tests.Imaging.Codecs;

/// <summary>Streams that dcmtk wrote, with the samples of other decoders (lossless ones to the bit); and streams written here.</summary>
public class JpegCodecTests
{
    private const string Twelve = "11a49279afe9660300f7a3801e1ae3f3bc9b48e41f60a5c80039dfaa3153bdf3";
    private const string Signed = "eef49b113889078a0c969b2af384c2ffa68e0936defaf499a7915aeb336b6dfb";

    [Theory]
    [InlineData("lossless.jpg", Twelve)]
    [InlineData("lossless-predictor-6.jpg", Twelve)]
    [InlineData("16bit-lossless.jpg", "dee3d865219ab3d5c4e5c4067be045d75cef89ea56d65ea30e642da6dab3f7a5")]
    [InlineData("8bit-lossless.jpg", "8aa6677a3066e3aebebd9eaeffe191df650afd70991727c4acdc4145430b6c3e")]
    [InlineData("signed-predictor-1.jpg", Signed)]
    [InlineData("signed-predictor-2.jpg", Signed)]
    [InlineData("signed-predictor-3.jpg", Signed)]
    [InlineData("signed-predictor-4.jpg", Signed)]
    [InlineData("signed-predictor-5.jpg", Signed)]
    [InlineData("signed-predictor-7.jpg", Signed)]
    public void Lossless_streams_of_dcmtk_give_the_samples_that_went_in(string file, string sha256)
    {
        var stream = Read(file);
        var values = Lossless(stream);
        var narrow = JpegLossless.ReadHeader(stream).Precision <= 8;
        var bytes = narrow ? [.. values.Select(v => (byte)v)] : MemoryMarshal.AsBytes<ushort>(values);
        Assert.Equal(sha256, Convert.ToHexStringLower(SHA256.HashData(bytes)));
    }

    [Fact]
    public void An_extended_stream_of_12_bits_gives_nearly_the_samples_of_another_decoder()
    {
        var samples = Extended(Read("extended-12.jpg"));
        var theirs = MemoryMarshal.Cast<byte, ushort>(Read("extended-12.npy").AsSpan(128)).ToArray();
        Assert.Equal(theirs.Length, samples.Length);
        var distances = samples.Zip(theirs, (ours, other) => Math.Abs(ours - other)).ToArray();
        Assert.InRange(distances.Max(), 0, 2); // of 4,095; no two decoders round alike
        Assert.InRange(distances.Count(distance => distance > 0), 0, distances.Length / 10);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(5)]
    [InlineData(8)]
    [InlineData(12)]
    [InlineData(15)]
    [InlineData(16)]
    public void What_was_encoded_comes_back_with_every_predictor_point_transform_and_restart_interval(int precision)
    {
        var random = new Random(precision);
        for (var predictor = 1; predictor <= 7; predictor++)
            foreach (var shift in new[] { 0, 1 })
                foreach (var rows in new[] { 0, 1, 3 })
                {
                    var (width, height) = (random.Next(1, 40), random.Next(1, 20));
                    var values = new ushort[width * height];
                    foreach (ref var value in values.AsSpan()) value = (ushort)(random.Next(1 << precision) >> shift << shift);
                    Assert.Equal(values, Lossless(LosslessWriter.Encode(values, width, precision, predictor, shift, rows)));
                }
    }

    [Fact]
    public void Longer_rows_than_are_read_at_once_come_back()
    {
        var random = new Random(3);
        var values = new ushort[9001 * 5];
        foreach (ref var value in values.AsSpan()) value = (ushort)random.Next(1 << 16);
        Assert.Equal(values, Lossless(LosslessWriter.Encode(values, 9001, 16, 4, 0, 2)));
    }

    [Fact]
    public void A_stream_that_is_cut_anywhere_in_its_data_gives_no_picture()
    {
        var lossless = Read("signed-predictor-4.jpg");
        for (var length = 0; length < lossless.Length - 3; length++) Refused(() => Lossless(lossless[..length]));
        var extended = Read("extended-12.jpg");
        for (var length = 0; length < extended.Length - 3; length += 7) Refused(() => Extended(extended[..length]));
    }

    [Fact]
    public void Changed_bytes_give_a_picture_or_a_sentence_and_nothing_else()
    {
        var random = new Random(11);
        (string, Func<byte[], ushort[]>)[] streams = [("signed-predictor-7.jpg", Lossless), ("extended-12.jpg", Extended)];
        foreach (var (file, decode) in streams)
            for (var trial = 0; trial < 1000; trial++)
            {
                var stream = Read(file);
                for (var n = random.Next(1, 4); n > 0; n--)
                    stream[random.Next(trial % 2 == 0 ? 200 : stream.Length)] = (byte)random.Next(256);
                try
                {
                    _ = decode(stream);
                }
                catch (StreamException e)
                {
                    Assert.NotEmpty(e.Message);
                }
            }
    }

    [Fact]
    public void Another_process_is_refused_by_its_name()
    {
        var stream = Read("lossless.jpg");
        var frame = stream.AsSpan().IndexOf(new byte[] { 0xff, 0xc3 }) + 1;
        foreach (var (marker, name) in new[] { (0xc2, "progressive"), (0xca, "arithmetic"), (0xc5, "hierarchical"), (0xf7, "JPEG-LS") })
        {
            stream[frame] = (byte)marker;
            Assert.Contains(name, Assert.Throws<StreamException>(() => Lossless(stream)).Message, StringComparison.Ordinal);
            Assert.Contains(name, Assert.Throws<StreamException>(() => Extended(stream)).Message, StringComparison.Ordinal);
        }
    }

    private static void Refused(Action decode) => Assert.Throws<StreamException>(decode);

    private static ushort[] Lossless(byte[] stream)
    {
        var header = JpegLossless.ReadHeader(stream);
        if (header.Width * (long)header.Height > 1 << 20) throw new StreamException("larger than any picture of these tests");
        var values = new ushort[header.Width * header.Height];
        JpegLossless.Decode(stream, header, values);
        return values;
    }

    private static ushort[] Extended(byte[] stream)
    {
        var header = JpegExtended.ReadHeader(stream);
        if (header.Width * (long)header.Height > 1 << 20) throw new StreamException("larger than any picture of these tests");
        var values = new ushort[header.Width * header.Height];
        JpegExtended.Decode(stream, header, values);
        return values;
    }

    private static byte[] Read(string file, [CallerFilePath] string source = "") =>
        File.ReadAllBytes(Path.Combine(Path.GetDirectoryName(source)!, "files", file));
}
