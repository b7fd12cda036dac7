using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Pfmvg.Imaging.Codecs;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Imaging.Codecs;

/// <summary>JPEG-LS and JPEG 2000 by the distribution's libraries: values that several programs agree on, and what is refused.</summary>
public class CodecLibraryTests
{
    private const string Twelve = "11a49279afe9660300f7a3801e1ae3f3bc9b48e41f60a5c80039dfaa3153bdf3";
    private const string Eight = "8aa6677a3066e3aebebd9eaeffe191df650afd70991727c4acdc4145430b6c3e";
    private const string Sixteen = "dee3d865219ab3d5c4e5c4067be045d75cef89ea56d65ea30e642da6dab3f7a5";
    private const string Signed = "a8e21bc0a32260111549c98f448161cc8139623c31798ca9e2ef46371dbccaad";

    [Theory]
    [InlineData("syntax/a-jpeg-ls-80.dcm", Twelve)]
    [InlineData("syntax/a-jpeg-ls-near-81.dcm", "cfe1e4b7b9f183aa72ac4c6e57a44f59830315000d6f95288df2275993a4ddf0")]
    [InlineData("syntax/a-8bit-jpeg-ls-80.dcm", Eight)]
    [InlineData("syntax/a-16bit-jpeg-ls-80.dcm", Sixteen)]
    [InlineData("syntax/a-signed-jpeg-ls-80.dcm", Signed)]
    [InlineData("syntax/a-j2k-90.dcm", Twelve)]
    [InlineData("syntax/a-j2k-91.dcm", "ac0cbdda5a7dc9e04346a65ef9b0e27cdc0ecf8f1acf3b999dcca12235d438d9")]
    [InlineData("syntax/a-8bit-j2k-90.dcm", Eight)]
    [InlineData("syntax/a-16bit-j2k-90.dcm", Sixteen)]
    [InlineData("syntax/a-signed-j2k-90.dcm", Signed)]
    [InlineData("syntax/a-htj2k-201.dcm", Twelve)]
    [InlineData("encapsulated/jp2-boxes.dcm", "af015c6521463155faf4db31813422ddc578b8a1fc983079c26a5fcdd66fbc68")]
    public void A_stream_gives_the_values_that_independent_decoders_give(string file, string sha256)
    {
        var stream = CodecStreams.Of(file);
        var values = CodecStreams.Decode(stream, IsJpegLs(file));
        var bytes = CodecStreams.ReadHeader(stream, IsJpegLs(file)).Precision <= 8
            ? [.. values.Select(value => (byte)value)] : MemoryMarshal.AsBytes<ushort>(values).ToArray();
        Assert.Equal(sha256, Convert.ToHexStringLower(SHA256.HashData(bytes)));
    }

    [Theory]
    [InlineData("syntax/a-jpeg-ls-80.dcm", 176, 216, 16, false)]
    [InlineData("syntax/a-8bit-j2k-90.dcm", 176, 216, 8, false)]
    [InlineData("syntax/a-signed-j2k-90.dcm", 100, 120, 16, true)]
    [InlineData("syntax/a-htj2k-201.dcm", 176, 216, 12, false)]
    public void The_header_is_read_without_the_library(string file, int width, int height, int precision, bool hasSign) =>
        Assert.Equal(new StreamHeader(width, height, 1, precision, hasSign),
            CodecStreams.ReadHeader(CodecStreams.Of(file), IsJpegLs(file)));

    [Theory]
    [InlineData("syntax/a-jpeg-ls-80.dcm")]
    [InlineData("syntax/a-jpeg-ls-near-81.dcm")]
    [InlineData("syntax/a-8bit-jpeg-ls-80.dcm")]
    [InlineData("syntax/a-j2k-90.dcm")]
    [InlineData("syntax/a-j2k-91.dcm")]
    [InlineData("syntax/a-htj2k-201.dcm")]
    public void A_stream_that_is_cut_anywhere_is_refused(string file)
    {
        var stream = CodecStreams.Of(file);
        var lengths = Enumerable.Range(0, 200).Concat(Enumerable.Range(0, 200).Select(i => i * stream.Length / 200))
            .Concat(Enumerable.Range(1, 40).Select(cut => stream.Length - cut));
        foreach (var length in lengths)
            Assert.Throws<StreamException>(() => CodecStreams.Decode(stream[..length], IsJpegLs(file)));
    }

    [Fact]
    public void A_JPEG_LS_stream_that_is_cut_and_ended_in_order_is_refused()
    {
        var stream = CodecStreams.Of("syntax/a-jpeg-ls-80.dcm");
        for (var length = 100; length < stream.Length - 2; length += 997)
            Assert.Throws<StreamException>(() => CodecStreams.Decode([.. stream[..length], 0xFF, 0xD9], isJpegLs: true));
    }

    [Fact]
    public void A_stream_may_be_padded()
    {
        foreach (var file in new[] { "syntax/a-jpeg-ls-80.dcm", "syntax/a-j2k-90.dcm" })
        {
            var stream = CodecStreams.Of(file);
            Assert.Equal(CodecStreams.Decode(stream, IsJpegLs(file)), CodecStreams.Decode([.. stream, 0, 0, 0], IsJpegLs(file)));
        }
    }

    [Theory]
    [InlineData("syntax/a-j2k-90.dcm")]
    [InlineData("syntax/a-htj2k-201.dcm")]
    public void A_tile_part_need_not_say_how_long_it_is(string file)
    {
        var stream = CodecStreams.Of(file);
        var values = CodecStreams.Decode(stream, isJpegLs: false);
        var tilePart = stream.AsSpan().IndexOf<byte>([0xFF, 0x90, 0, 10]);
        stream.AsSpan(tilePart + 6, 4).Clear();
        Assert.Equal(values, CodecStreams.Decode(stream, isJpegLs: false));
        Assert.Throws<StreamException>(() => CodecStreams.Decode(stream[..^2], isJpegLs: false));
    }

    [Theory]
    [InlineData("encapsulated/cut-j2k.dcm")]
    [InlineData("hostile/j2k-huge.dcm")]
    [InlineData("hostile/j2k-tiles.dcm")]
    [InlineData("hostile/jls-huge.dcm")]
    [InlineData("hostile/jls-other-size.dcm")]
    public void A_hostile_header_is_refused_before_anything_is_reserved(string file)
    {
        var stream = CodecStreams.Of(file);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Throws<StreamException>(() => CodecStreams.ReadHeader(stream, IsJpegLs(file)));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 16);
    }

    [Fact]
    public void Streams_of_many_components_say_so_and_are_not_decoded()
    {
        var stream = CodecStreams.Of("hostile/j2k-16384-components.dcm");
        var header = Jpeg2000.ReadHeader(stream);
        Assert.Equal(16384, header.Components);
        Assert.Contains("not gray", Assert.Throws<StreamException>(() => Jpeg2000.Decode(stream, header, new ushort[64 * 64])).Message,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("syntax/a-jpeg-ls-80.dcm")]
    [InlineData("syntax/a-jpeg-ls-near-81.dcm")]
    [InlineData("syntax/a-j2k-90.dcm")]
    [InlineData("syntax/a-j2k-91.dcm")]
    [InlineData("syntax/a-htj2k-201.dcm")]
    [InlineData("encapsulated/jp2-boxes.dcm")]
    public void A_changed_stream_is_decoded_or_refused_and_nothing_else(string file)
    {
        var stream = CodecStreams.Of(file);
        var random = new Random(20);
        var refused = 0;
        for (var i = 0; i < 400; i++)
        {
            var changed = stream.ToArray();
            for (var change = random.Next(1, 6); change > 0; change--)
                changed[random.Next(2, random.Next(2) == 0 ? 150 : changed.Length)] = (byte)random.Next(256);
            try
            {
                CodecStreams.Decode(changed, IsJpegLs(file));
            }
            catch (StreamException)
            {
                refused++;
            }
        }

        Assert.InRange(refused, 20, 400);
    }

    [Fact]
    public void A_missing_library_is_told_with_the_package_to_install()
    {
        var library = new CodecLibrary("JPEG-LS", ["libnobodyhasthis.so.2"], "libcharls2", "CharLS");
        Assert.False(library.IsFound);
        Assert.Equal("JPEG-LS needs the library libnobodyhasthis.so.2; install it with 'apt-get install libcharls2' (RHEL: 'dnf install "
            + "CharLS')", Assert.Throws<StreamException>(() => library.Function("f")).Message);
    }

    [Fact]
    public void The_doctor_finds_the_libraries_and_misses_them_without_complaint()
    {
        CodecStreams.RequireLibraries();
        var found = Shell.RunPfmvg("doctor");
        Assert.Contains($"CharLS {CharLs.Functions.Version}", found.Output, StringComparison.Ordinal);
        Assert.Contains($"OpenJPEG {OpenJpeg.Functions.Version}", found.Output, StringComparison.Ordinal);

        using var folder = new TemporaryFolder(); // files that are no libraries hide those of the system
        foreach (var name in new[] { "libcharls.so.2", "libCharLS.so.2", "libopenjp2.so.7" }) File.WriteAllText(folder.In(name), "");
        var missing = Shell.Run("dotnet", [Shell.Pfmvg, "doctor"], environment: ("LD_LIBRARY_PATH", folder.Path));
        Assert.True(missing.ExitCode == 0, $"{missing}");
        var words = string.Join(' ', missing.Output.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        Assert.Contains("JPEG-LS needs the library libcharls.so.2; install it with 'apt-get install libcharls2'", words,
            StringComparison.Ordinal);
        Assert.Contains("JPEG 2000 needs the library libopenjp2.so.7; install it with 'apt-get install libopenjp2-7'", words,
            StringComparison.Ordinal);
    }

    private static bool IsJpegLs(string file) => file.Contains("jpeg-ls", StringComparison.Ordinal)
        || file.Contains("jls", StringComparison.Ordinal);
}
