using System.Text;
using Pfmvg.Data.Files;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Reports;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Geometry;
using Pfmvg.Runs;
using Pfmvg.Tests.Data;
using Pfmvg.Tests.Support;
using Pfmvg.Text;

namespace Pfmvg.Tests.Evaluation.Predictions;

/// <summary>Answers of strangers reach no file outside of their folder, and no length costs more than a flaw or a sentence.</summary>
public sealed class HostileAnswersTests : IDisposable
{
    private const string Box = "{<10><10><30><20>}";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("../outside.npy", "the path leaves the folder")]
    [InlineData("maps/../../outside.npy", "the path leaves the folder")]
    [InlineData("/dev/zero", "the path leaves the folder")]
    [InlineData("maps/link.npy", "a link leads out of the image folder")]
    [InlineData("maps", "this is a folder, not a file")]
    [InlineData("pipe", "this is a pipe, not a file")]
    [InlineData("", "the path is empty")]
    [InlineData("maps/one.npy", null)]
    [InlineData("./maps/../maps/one.npy", null)]
    [InlineData("IN/maps/one.npy", null)] // in full
    public void A_map_is_a_file_in_the_folder_of_the_answers(string map, string? problem)
    {
        var inside = Directory.CreateDirectory(_folder.In("answers", "maps")).Parent!.FullName;
        HeatMap.Write(Path.Combine(inside, "maps", "one.npy"), [1f], 1, 1);
        HeatMap.Write(_folder.In("outside.npy"), [1f], 1, 1);
        File.CreateSymbolicLink(Path.Combine(inside, "maps", "link.npy"), _folder.In("outside.npy"));
        Assert.Equal(0, Shell.Run("mkfifo", [Path.Combine(inside, "pipe")]).ExitCode);
        var file = Write("answers/p.jsonl", $"\"heatmap\": \"{map.Replace("IN", inside, StringComparison.Ordinal)}\"");
        if (problem is null) Assert.Equal(Path.Combine(inside, "maps", "one.npy"), PredictionFile.Read(file)[0].HeatMap);
        else
            Assert.Equal($"{file}:1: its 'heatmap' is refused ({problem}); the maps must be files in the folder of this one, or below it.",
                Assert.Throws<InputException>(() => PredictionFile.Read(file)).Message);
    }

    [Fact]
    public void A_number_that_other_coordinates_would_lead_beyond_all_numbers_is_refused_in_a_sentence()
    {
        var file = _folder.In("large.jsonl");
        const string question = """ "id":"a","image":"a","class":"","phrase":"p","width":400,"height":200,"truth":[[0,0,1,9]] """;
        File.WriteAllText(file, $"{{{question},\"boxes\":[[1e308,2,0,0]],\"coordinates\":\"pixels-xyxy\"}}\n");
        Assert.Contains("most boxes have swapped corners",
            Assert.Throws<InputException>(() => PredictionFile.Read(file)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_answer_of_more_than_64_KiB_is_a_flaw_that_scores_0_and_is_counted()
    {
        const int most = 64 << 10;
        string[] answers = [Box + new string(' ', most - Box.Length), Box + new string(' ', most - Box.Length + 1),
            Box + new string('ä', most / 2), string.Concat(Enumerable.Repeat(Box, 1 << 16)), Box];
        var file = Write("p.jsonl", [.. answers.Select(answer => $"\"answer\": \"{answer}\"")]);
        var read = PredictionFile.Read(file);
        Assert.All(read, answer => Assert.InRange(answer.Answer!.Length, 0, most + 2)); // no more is kept
        var table = Scorer.Score(read, new ScoringOptions { Resamples = 0 });
        Assert.Equal([Flaw.None, Flaw.TooLong, Flaw.TooLong, Flaw.TooLong, Flaw.None], table.Samples.Select(sample => sample.Flaw));
        Assert.Equal([1, 0, 0, 0, 1], table.Samples.Select(sample => sample.Iou));
        Assert.Equal(3, table.Mean.Flaws[Flaw.TooLong]);
        PredictionFile.Write(_folder.In("again.jsonl"), read);
        Assert.Equal(table.Samples.Select(sample => sample.Flaw),
            Scorer.Score(PredictionFile.Read(_folder.In("again.jsonl")), new ScoringOptions { Resamples = 0 }).Samples.Select(s => s.Flaw));
    }

    [Fact]
    public void A_phrase_of_more_than_2000_characters_is_refused_wherever_it_comes_from()
    {
        string right = new('p', 2000), wrong = right + "p", said = "the phrase has 2,001 characters, more than 2,000";
        Assert.Equal(right, PredictionFile.Read(Write("right.jsonl", $"\"phrase\": \"{right}\", \"answer\": \"\""))[0].Phrase);
        Refused(() => PredictionFile.Read(Write("wrong.jsonl", $"\"phrase\": \"{wrong}\", \"answer\": \"\"")), "wrong.jsonl:1: ");
        Refused(() => TruthFile.Read(Write("truth.jsonl", $"\"phrase\": \"{wrong}\"")), "truth.jsonl:1: ");
        File.WriteAllText(_folder.In("cases.csv"), $"image,phrase\nx.png,{wrong}\n");
        Refused(() => PredictionCase.ReadTable(_folder.In("cases.csv"), _folder.Path), "cases.csv:2: ");
        PhraseForecast.Check([("a", right)], normalize: true, _ => { });
        Refused(() => PhraseForecast.Check([("a", wrong)], normalize: true, _ => { }), "a: ");
        var predicted = Shell.RunPfmvg("predict", "--image", "no.png", "--phrase", wrong);
        Assert.Equal(2, predicted.ExitCode);
        Assert.Contains($"--phrase: {said}", predicted.Error, StringComparison.Ordinal);

        void Refused(Action work, string place) =>
            Assert.Contains($"{place}{said}", Assert.Throws<InputException>(work).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_report_shows_no_picture_outside_of_its_folder_and_says_how_many_it_leaves_out()
    {
        using var tree = new StudyTree();
        tree.Picture("pictures/in.jpg");
        tree.Picture("secret/out.jpg");
        tree.Write("pictures/broken.jpg", "no picture");
        string[] named = ["in.jpg", "../secret/out.jpg", tree["secret", "out.jpg"], "gone.jpg", "broken.jpg"];
        var leftOut = new LeftOutPictures();
        var answers = named.Select((image, i) => Answers.Make($"s{i}", [new Box(1, 1, 20, 20)], Box) with { Image = image });
        var table = Scorer.Score([.. answers], new ScoringOptions { Resamples = 0 });
        ScoreReport.WriteAll(_folder.Path, table, new ReportOptions
        {
            ImagePath = leftOut.Inside(new ImageRoot(tree["pictures"])), LeftOut = leftOut,
        });
        const string sentence = "Left out of the report: 4 pictures (2: the path leaves the folder; 1: it cannot be read; "
            + "1: there is no such file).";
        Assert.Equal(sentence, leftOut.Sentence);
        var html = File.ReadAllText(_folder.In("report.html"));
        Assert.Contains(sentence, html, StringComparison.Ordinal);
        Assert.Equal(2, html.Split("<script type=\"text/plain\" id=\"i").Length); // one picture
    }

    private string Write(string name, params string[] answers)
    {
        var text = new StringBuilder();
        foreach (var (i, answer) in answers.Index())
            text.Append($$"""{"id": "s{{i}}", "image": "x.png", "class": "Edema", "width": 100, "height": 100, """)
                .Append("\"truth\": [[10, 10, 30, 20]], ")
                .Append(answer.Contains("\"phrase\"", StringComparison.Ordinal) ? "" : "\"phrase\": \"p\", ").Append(answer).Append("}\n");
        File.WriteAllText(_folder.In(name), text.ToString());
        return _folder.In(name);
    }
}
