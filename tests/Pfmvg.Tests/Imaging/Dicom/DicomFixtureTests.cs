using System.Security.Cryptography;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Pfmvg.Imaging;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Imaging.Dicom;

/// <summary>Files of every syntax, pixel layout, window and fault: the pictures that several decoders agree on, or one sentence.</summary>
public partial class DicomFixtureTests
{
    private static readonly string Folder = Path.Combine(Fixtures.Repository, "tests", "Pfmvg.Tests", "Imaging", "Dicom", "files");
    private static readonly JsonNode Expected = JsonNode.Parse(File.ReadAllText(Path.Combine(Folder, "expected.json")))!;

    private static readonly Dictionary<string, JsonNode> ByName =
        Expected["files"]!.AsArray().ToDictionary(file => file!["file"]!.GetValue<string>(), file => file!);

    private static readonly string[] Private = [.. Expected["private"]!.AsArray().Select(text => text!.GetValue<string>())];

    public static TheoryData<string> Files => [.. Directory.GetFiles(Folder, "*.dcm", SearchOption.AllDirectories)
        .Select(path => Path.GetRelativePath(Folder, path).Replace(Path.DirectorySeparatorChar, '/')).Order(StringComparer.Ordinal)];

    [Theory, MemberData(nameof(Files))]
    public void A_file_gives_the_right_picture_in_every_mode_or_a_sentence_that_names_the_tag(string file)
    {
        var facts = ByName[file];
        var outcome = facts["outcome"]!.GetValue<string>();
        foreach (var mode in Enum.GetValues<DicomGray>())
        {
            DecodedImage image;
            try
            {
                image = ImageFile.Decode(Path.Combine(Folder, file), dicom: mode);
            }
            catch (InputException refusal)
            {
                if (refusal.Message.Contains("needs the library", StringComparison.Ordinal)) Assert.Skip(refusal.Message);
                Assert.NotEqual("picture", outcome);
                AssertSentence(refusal.Message, file, [.. facts["tags"]!.AsArray().Select(tag => tag!.GetValue<string>())]);
                continue;
            }

            Assert.NotEqual("error", outcome);
            Assert.Equal(1, image.Channels);
            var key = mode.ToString().ToLowerInvariant();
            if (facts["pictures"]?[key]?.GetValue<string>() is { } picture)
                AssertClose(ImageFile.Decode(Path.Combine(Folder, picture)), image, mode);
            else
                Assert.Contains(Convert.ToHexStringLower(SHA256.HashData(image.Pixels)),
                    facts[key]!.AsArray().Select(sum => sum!.GetValue<string>()));
            if (image.Note is { } note) Assert.DoesNotContain(Private, text => note.Contains(text, StringComparison.Ordinal));
        }
    }

    [Theory, MemberData(nameof(Files))]
    public void The_header_and_the_check_agree_with_the_decoder(string file)
    {
        var path = Path.Combine(Folder, file);
        DecodedImage image;
        try
        {
            image = ImageFile.Decode(path);
        }
        catch (InputException refusal)
        {
            if (refusal.Message.Contains("needs the library", StringComparison.Ordinal)) Assert.Skip(refusal.Message);
            Assert.Equal(refusal.Message, Assert.Throws<InputException>(() => ImageFile.Check(path, new DecodeBuffer())).Message);
            return;
        }

        var header = new ImageHeader("DICOM", image.Width, image.Height);
        Assert.Equal(header, ImageFile.ReadHeader(path));
        var decoded = header with { Note = image.Note }; // only decoding tells whether a DICOM file is whole
        Assert.Equal(decoded, ImageFile.Check(path, new DecodeBuffer()));
        Assert.Equal(decoded, ImageFile.Check(File.ReadAllBytes(path), path));
    }

    [Fact]
    public void Every_fact_has_its_file() => Assert.Equal(ByName.Keys.Order(StringComparer.Ordinal), Files.Select(row => row.Data));

    [Fact]
    public void Broken_copies_give_a_picture_or_one_sentence_and_nothing_else()
    {
        var files = Files.Select(row => File.ReadAllBytes(Path.Combine(Folder, row.Data))).Where(bytes => bytes.Length < 60_000).ToArray();
        var random = new Random(20);
        var buffer = new DecodeBuffer();
        for (var round = 0; round < 600; round++)
        {
            var bytes = files[random.Next(files.Length)].AsSpan().ToArray();
            var reach = random.Next(2) == 0 ? Math.Min(bytes.Length, 1500) : bytes.Length; // half of them in the header
            for (var change = random.Next(1, 6); change > 0; change--)
            {
                var place = random.Next(reach);
                if (random.Next(3) == 0) bytes[place] ^= (byte)(1 << random.Next(8));
                else bytes[place] = (byte)(random.Next(2) == 0 ? 255 : random.Next(256));
            }

            if (random.Next(4) == 0) bytes = bytes[..random.Next(1, bytes.Length)];
            try
            {
                ImageFile.Decode(bytes, "broken.dcm", buffer, (DicomGray)random.Next(3));
            }
            catch (InputException refusal)
            {
                AssertSentence(refusal.Message, "broken.dcm", []);
            }
        }
    }

    private static void AssertSentence(string message, string file, string[] tags)
    {
        Assert.Contains(Path.GetFileName(file), message, StringComparison.Ordinal);
        Assert.EndsWith(".", message, StringComparison.Ordinal);
        Assert.DoesNotContain(message, char.IsControl);
        Assert.True(message.Length < Folder.Length + 400, message);
        Assert.DoesNotContain(Private, text => message.Contains(text, StringComparison.Ordinal));
        if (tags.Length > 0)
            Assert.True(Tag().Matches(message).Any(found =>
                tags.Contains("*") || tags.Contains(found.Groups[1].Value.ToLowerInvariant())), message);
    }

    /// <summary>Within a level; equalising tears levels apart that a lossy decoder rounds otherwise, so there 99 of 100 pixels.</summary>
    private static void AssertClose(DecodedImage expected, DecodedImage actual, DicomGray mode)
    {
        Assert.Equal((expected.Width, expected.Height), (actual.Width, actual.Height));
        var far = 0;
        for (var i = 0; i < actual.Pixels.Length; i++)
            far += Math.Abs(actual.Pixels[i] - expected.Pixels[i * expected.Channels]) > 1 ? 1 : 0;
        Assert.InRange(far, 0, mode == DicomGray.Histogram ? actual.Pixels.Length / 100 : 0);
    }

    [GeneratedRegex(@"\(([0-9A-F]{4},[0-9A-F]{4})\)")] private static partial Regex Tag();
}
