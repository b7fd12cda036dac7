using System.Text;
using System.Text.Json.Nodes;
using Pfmvg.Imaging;
using Pfmvg.Phantoms.Files;
using Pfmvg.Runs.Records;
using Pfmvg.Tests.Imaging.Formats;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Runs;

/// <summary>DICOM from the study to the report, through the program.</summary>
public sealed class DicomChainTests(TrainingWorkspace workspace) : IClassFixture<TrainingWorkspace>
{
    private static readonly string[] Config = ["--config", Path.Combine(Fixtures.Repository, "configs", "tiny.yaml")];

    [Fact]
    public void A_study_of_DICOM_goes_from_its_files_to_its_report_and_no_text_of_a_header_is_kept_or_said()
    {
        using var folder = new TemporaryFolder();
        var said = new StringBuilder();
        string[] settings = [.. Config, .. workspace.Sets("chain", $"workspace={folder.In("work")}", $"data.folder={folder.In("prepared")}",
            "data.cache=cache", "data.feature_cache=features", "stage1.epochs=1", "stage2.epochs=1")];
        Run("data", "phantom", "--out", folder.In("study"), "--format", "dicom", "--patients", "10", "--seed", "3", "--width", "72",
            "--height", "90", "--sets", "ms-cxr", "mimic-cxr-jpg", "vindr-cxr");
        var check = Run("data", "check", "--from", folder.In("study"), "--show-ids", "--json", folder.In("check.json"));
        Assert.Contains("DICOM pictures", check, StringComparison.Ordinal);
        Run("data", "prepare", "--from", folder.In("study"), "--out", folder.In("prepared"));
        Run("data", "show", folder.In("prepared"), "--out", folder.In("sheet.png"), "--count", "4", "--show-ids");
        Run("data", "export", "--from", folder.In("prepared"), "--format", "jsonl", "--out", folder.In("export"));
        Assert.Contains("DICOM, gray by data.dicom=window", Run(["train", "--stage", "1", .. settings]), StringComparison.Ordinal);
        Run(["train", "--stage", "2", .. settings]);
        Assert.Contains("DICOM, gray by data.dicom=window", Run(["eval", "--split", "test", .. settings]), StringComparison.Ordinal);
        var runs = folder.In("work", "runs", "chain");
        foreach (var part in new[] { "stage1", "stage2", "eval-test" })
            Assert.Equal("window", (string)JsonNode.Parse(File.ReadAllText(Path.Combine(runs, part, "run.json")))!["dicom"]!);
        Assert.Contains("gray by data.dicom=window", Run("runs", "show", Path.Combine(runs, "stage2")), StringComparison.Ordinal);
        var answers = File.ReadLines(Path.Combine(runs, "eval-test", "predictions.jsonl")).Select(line => JsonNode.Parse(line)!).ToList();
        Assert.Contains(answers, answer => ((string)answer["id"]!).StartsWith("vindr-cxr/", StringComparison.Ordinal));
        var pictures = answers.Select(answer => (string)answer["image"]!).Distinct().Count();
        var report = File.ReadAllText(Path.Combine(runs, "eval-test", "report.html"));
        Assert.Equal(pictures, report.Split("<script type=\"text/plain\" id=\"i").Length - 1); // of every data set
        Assert.Contains("gray by data.dicom=window", report, StringComparison.Ordinal);
        var other = Run(["eval", "--split", "test", .. settings, "--set", "data.dicom=full", "--set", "name=chain", "--overwrite", "--from",
            Path.Combine(runs, "stage2")]);
        Assert.Contains("was trained with data.dicom=window; now DICOM pictures become gray by data.dicom=full", other,
            StringComparison.Ordinal);
        var encoders = Directory.GetDirectories(folder.In("work", "features"))
            .Select(Path.GetFileName).Order(StringComparer.Ordinal).ToList();
        Assert.Equal([encoders[0]!, encoders[0] + "-full"], encoders); // what one rule left is not read by the other

        var one = Directory.GetFiles(folder.In("study", "vindr-cxr", "test"))[0];
        var line = JsonNode.Parse(Run(["predict", "--image", one, "--phrase", "edema", "--json", "--overlay", folder.In("overlay.png"),
            "--set", "data.dicom=full", .. settings]).Split('\n').First(line => line.StartsWith('{')))!;
        Assert.Equal("full", (string)line["dicom"]!);

        var private_ = DicomWriter.Texts.Append("2.25.").Select(Encoding.ASCII.GetBytes).ToList();
        foreach (var file in Directory.GetFiles(folder.Path, "*", SearchOption.AllDirectories)
            .Where(file => Path.GetExtension(file) is not (".dcm" or ".dicom")))
        {
            var content = File.ReadAllBytes(file);
            Assert.All(private_, text => Assert.True(content.AsSpan().IndexOf(text) < 0, $"{file}: {Encoding.ASCII.GetString(text)}"));
        }

        Assert.All(private_, text => Assert.DoesNotContain(Encoding.ASCII.GetString(text), said.ToString(), StringComparison.Ordinal));

        string Run(params string[] arguments)
        {
            var result = Shell.RunPfmvg(arguments);
            Assert.True(result.ExitCode == 0, $"{string.Join(' ', arguments)}\n{result}");
            said.Append(result.Output).Append(result.Error);
            return result.Output + result.Error;
        }
    }

    [Theory]
    [InlineData("PNG", "window"), InlineData("JPEG", "window")]
    [InlineData("DICOM", "window"), InlineData("DICOM", "full"), InlineData("DICOM", "histogram")]
    public void A_picture_and_its_overlay_get_the_same_answer(string format, string rule)
    {
        using var folder = new TemporaryFolder();
        // Without constraint the model answers no box, so nothing is drawn on the overlay; with it, a box is drawn on another one.
        var settings = workspace.Sets("road", $"data.dicom={rule}", "eval.max_new_tokens=20");
        var picture = Write(folder.In("picture"), format);
        var (drawn, again) = (folder.In("drawn.png"), folder.In("again.png"));
        var answer = Ask(picture, drawn);
        Assert.Equal(answer, Ask(drawn, again));
        Assert.True(File.ReadAllBytes(drawn).AsSpan().SequenceEqual(File.ReadAllBytes(again)));
        var (seen, shown) = (ImageFile.Decode(picture, dicom: Enum.Parse<DicomGray>(rule, ignoreCase: true)), ImageFile.Decode(drawn));
        Assert.Equal((seen.Width, seen.Height), (shown.Width, shown.Height));
        for (var i = 0; i < shown.Pixels.Length; i++) Assert.Equal(seen.Pixels[seen.Channels == 3 ? i : i / 3], shown.Pixels[i]);

        // Where a box is drawn, the picture beside it is the same all the same.
        var boxed = folder.In("boxed.png");
        Ask(picture, boxed, "--constrain", "boxes");
        var marked = ImageFile.Decode(boxed);
        var changed = Enumerable.Range(0, marked.Pixels.Length).Count(i => marked.Pixels[i] != shown.Pixels[i]);
        Assert.InRange(changed, 1, marked.Pixels.Length / 2);

        string Ask(string image, string overlay, params string[] more)
        {
            var result = Shell.RunPfmvg(["predict", .. Config, "--from", "base", "--image", image, "--phrase", "left edema", "--json",
                "--overlay", overlay, .. settings, .. more]);
            Assert.True(result.ExitCode == 0, $"{result}");
            var line = JsonNode.Parse(result.Output)!.AsObject();
            Assert.Equal(image == picture && format == "DICOM" ? rule : null, (string?)line["dicom"]);
            foreach (var name in (string[])["image", "dicom"]) line.Remove(name);
            return line.ToJsonString();
        }
    }

    [Fact]
    public void The_rule_is_part_of_what_a_training_and_its_answers_depend_on()
    {
        Assert.Throws<OperationCanceledException>(() => workspace.Train("rule", lastStep: 2));
        var refused = Assert.Throws<InputException>(() => workspace.Train("rule", ExistingRun.Resume, ["data.dicom=full"]));
        Assert.Contains("data.dicom: window -> full", refused.Message, StringComparison.Ordinal);
        Assert.Null(RunInfo.Read(workspace.Run("rule").InfoPath).Dicom); // its pictures are JPEG
        Assert.DoesNotContain("\"dicom\"", File.ReadAllText(workspace.Run("rule").InfoPath), StringComparison.Ordinal);
    }

    /// <summary>A picture without an ending, whose gray values are no ramp.</summary>
    private static string Write(string path, string format)
    {
        const int width = 70, height = 50;
        byte[] gray = [.. Enumerable.Range(0, width * height).Select(i => (byte)(40 + i % width * 2 + i / width % 3 * 10))];
        if (format == "DICOM") DicomWriter.Write(path, new(width, height, gray, []), "road", inverted: true);
        if (format == "PNG")
            File.WriteAllBytes(path, PngWriter.Write(0, 8, [.. gray.Chunk(width).Select(row => row.Select(v => (int)v).ToArray())]));
        if (format == "JPEG")
        {
            using var bitmap = Pfmvg.Imaging.Formats.SkiaPicture.ToBitmap(new DecodedImage(width, height, 1, gray));
            using var data = bitmap.Encode(SkiaSharp.SKEncodedImageFormat.Jpeg, 90);
            File.WriteAllBytes(path, data.ToArray());
        }

        return path;
    }
}
