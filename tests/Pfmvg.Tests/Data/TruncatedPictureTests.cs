using Pfmvg.Data;
using Pfmvg.Data.Checks;
using Pfmvg.Data.Loading;
using Pfmvg.Data.Preparation;
using Pfmvg.Data.Sets;
using Pfmvg.Imaging;
using Pfmvg.Tests.Imaging.Formats;

namespace Pfmvg.Tests.Data;

/// <summary>Half a picture with an end mark is no whole one: check, preparation and loading say so, or refuse it.</summary>
public sealed class TruncatedPictureTests : IDisposable
{
    private const int Side = 64;

    private readonly StudyTree _tree = new();
    private readonly DataSources _sources;

    public TruncatedPictureTests()
    {
        var jpeg = new WrittenJpeg(1, Side, Side, [(1, 1)]);
        var whole = jpeg.Sequential();
        Directory.CreateDirectory(_tree["pictures"]);
        File.WriteAllBytes(_tree["pictures", "whole.jpg"], whole);
        File.WriteAllBytes(_tree["pictures", "half.jpg"], WrittenJpeg.Cut(whole, (jpeg.Data.First + jpeg.Data.End) / 2));
        var lines = new[] { "whole", "half", "half" }.Select((name, i) => $$"""
            {"image": "pictures/{{name}}.jpg", "phrase": "left effusion {{i}}", "boxes": [[1, 2, 30, 40]], "split": "train"}
            """);
        _sources = new DataSources { Own = _tree.Write("own.jsonl", string.Join('\n', lines) + "\n"), OwnFormat = "jsonl" };
    }

    public void Dispose() => _tree.Dispose();

    private PrepareOptions Options => new() { Output = _tree["prepared"], Sources = _sources };

    [Theory]
    [InlineData(TruncatedPictures.Warn, FindingLevel.Warning)]
    [InlineData(TruncatedPictures.Refuse, FindingLevel.Error)]
    public void The_check_lists_the_picture_as_a_finding_of_its_own(TruncatedPictures rule, FindingLevel level)
    {
        var report = DataCheck.Run(new CheckOptions { Sources = _sources, EveryPixel = true, TruncatedPictures = rule },
            cancel: TestContext.Current.CancellationToken);
        var finding = Assert.Single(report.Findings, found => found.Kind == "truncated-picture");
        Assert.Equal((level, 1), (finding.Level, finding.Count));
        Assert.Equal("pictures/half.jpg", finding.Cases[0].Place);
        Assert.StartsWith("the picture ends early (its compressed data end at row ", finding.Cases[0].Detail, StringComparison.Ordinal);
    }

    [Fact]
    public void The_preparation_says_it_once_for_each_picture_and_again_from_what_it_remembers()
    {
        for (var time = 0; time < 2; time++)
        {
            var report = StudyTree.Prepare(Options);
            Assert.Equal(3, report.Samples["refer.train.jsonl"]);
            var note = Assert.Single(report.Notes, note => note.Contains("ends early", StringComparison.Ordinal));
            Assert.StartsWith("pictures/half.jpg of own: ", note, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void The_preparation_refuses_it_or_leaves_it_out_where_that_is_the_rule()
    {
        var strict = Options with { TruncatedPictures = TruncatedPictures.Refuse };
        Assert.Contains("half.jpg: the picture ends early", Assert.Throws<InputException>(() => StudyTree.Prepare(strict)).Message,
            StringComparison.Ordinal);
        var counts = StudyTree.Prepare(strict with { Bad = BadSamples.Skip }).Sources["own"];
        Assert.Equal((1, 2), (counts.Kept, counts.Bad));
    }

    [Theory]
    [InlineData(TruncatedPictures.Warn, 3, 1)]
    [InlineData(TruncatedPictures.Refuse, 1, 0)]
    public void Loading_says_it_once_and_never_keeps_the_picture(TruncatedPictures rule, int loaded, int told)
    {
        StudyTree.Prepare(Options);
        var data = PreparedData.Open(Options.Output);
        var samples = data.Read(SampleTask.Refer, Split.Train);
        List<string> lines = [];
        var loader = new SampleLoader(data, new LoaderOptions
        {
            Size = 16, Cache = _tree["cache"], Broken = BadSamples.Skip, Truncation = new TruncationGuard(rule, lines.Add),
        });
        var cancel = TestContext.Current.CancellationToken;
        for (var epoch = 0; epoch < 2; epoch++)
            Assert.Equal(loaded, loader.Load(samples, Enumerable.Range(0, 3), epoch, cancel: cancel).Count());
        Assert.Equal(told, lines.Count);
        Assert.Equal(3 - loaded, loader.Broken.Count);
        Assert.Single(Directory.EnumerateFiles(_tree["cache"], "*", SearchOption.AllDirectories)); // that of the whole picture
    }
}
