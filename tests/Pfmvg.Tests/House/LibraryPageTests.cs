using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Runs;
using Pfmvg.Tests.Evaluation.Predictions;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.House;

/// <summary>docs/library.md and the program that it shows, on the tiny base and a phantom picture.</summary>
public sealed class LibraryPageTests(LibraryPageTests.TinyBase tiny) : IClassFixture<LibraryPageTests.TinyBase>
{
    private const string Phrase = "left pleural effusion";

    private static readonly string Sample = Path.Combine(Fixtures.Repository, "samples", "AskAndScore");

    [Theory]
    [InlineData("AskAndScore.csproj", "xml")]
    [InlineData("Program.cs", "csharp")]
    public void The_page_shows_the_sample_as_it_is(string file, string language)
    {
        var page = File.ReadAllText(Path.Combine(Fixtures.Repository, "docs", "library.md"));
        Assert.Contains($"```{language}\n{File.ReadAllText(Path.Combine(Sample, file))}```\n", page, StringComparison.Ordinal);
    }

    [Fact]
    public void The_sample_prints_the_box_and_the_scores_that_the_library_gives()
    {
        var predictions = Answers.Varied(60);
        PredictionFile.Write(tiny.In("predictions.jsonl"), predictions);
        File.WriteAllText(tiny.In("configuration.yaml"), ConfigurationFile.ToYaml(tiny.Configuration));
        var result = Shell.Run("dotnet", [Path.Combine(AppContext.BaseDirectory, "AskAndScore.dll"),
            tiny.In("configuration.yaml"), tiny.Picture, Phrase, tiny.In("predictions.jsonl")]);
        Assert.True(result.ExitCode == 0, $"{result}");

        using var session = PhraseGrounder.Open(tiny.Configuration, fromBase: true);
        var box = Assert.Single(session.Ask(tiny.Picture, Phrase).Boxes);
        var scores = Scorer.Score(predictions, new ScoringOptions { Protocol = Protocol.PhraseUnion });
        Assert.Equal(
            [
                $"box {box.Left:0.0} {box.Top:0.0} {box.Right:0.0} {box.Bottom:0.0}",
                .. scores.Rows.Select(row =>
                    $"{row.Name}: n {row.Count}, IoU {row[Metric.Iou].Value:0.000}, Dice {row[Metric.Dice].Value:0.000}"),
            ],
            result.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [Fact]
    public void Calls_from_several_threads_get_the_answers_that_one_thread_gets()
    {
        string[] phrases = [Phrase, "right pneumothorax", "enlarged heart"];
        using var session = PhraseGrounder.Open(tiny.Configuration, fromBase: true);
        var alone = phrases.Select(phrase => session.Ask(tiny.Picture, phrase)).ToList();
        var together = new AnswerLine[phrases.Length];
        Parallel.For(0, phrases.Length, i => together[i] = session.Ask(tiny.Picture, phrases[i]));
        Assert.All(alone.Zip(together), pair =>
        {
            Assert.Equal(pair.First.Prediction.Answer, pair.Second.Prediction.Answer);
            // Other tests set the number of libtorch's threads, which changes the last digits.
            Assert.Equal(pair.First.Confidence![0], pair.Second.Confidence![0], 1e-4);
        });
    }

    /// <summary>The base that comes with the program, and a few phantoms.</summary>
    public sealed class TinyBase : IDisposable
    {
        private readonly TemporaryFolder _folder = new();

        public TinyBase()
        {
            Configuration = ConfigurationFile.Load(
                Path.Combine(Fixtures.Repository, "configs", "tiny.yaml"),
                [$"workspace={_folder.Path}", "phantom.patients=10", "eval.constrain=boxes"]);
            PhantomWorkspace.Prepare(Configuration, _ => { }, CancellationToken.None);
            var data = GroundingSetup.OpenData(Configuration);
            Picture = data.ImagePath(data.Read(SampleTask.Refer, Split.Test)[0]);
        }

        public PfmvgConfiguration Configuration { get; }

        public string Picture { get; }

        public string In(string name) => _folder.In(name);

        public void Dispose() => _folder.Dispose();
    }
}
