using System.Collections.Concurrent;
using System.Globalization;
using Pfmvg.Asking;
using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Data.Preparation;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Geometry;
using Pfmvg.Imaging;
using Pfmvg.Runs;
using Pfmvg.Runs.Records;
using Pfmvg.Tests.Support;
using Pfmvg.Text;
using static Pfmvg.Tests.Support.HostileServer;

namespace Pfmvg.Tests.Runs;

/// <summary>A split that a model behind a server answers.</summary>
public sealed class AskRunTests(TrainingWorkspace workspace) : IClassFixture<TrainingWorkspace>
{
    private static readonly string[] Quick = ["ask.wait=0.001", "ask.longest_wait=0.02", "ask.retries=1", "ask.timeout=30"];

    private PreparedData Data => PreparedData.Open(workspace.Data);

    private List<Sample> Samples => [.. Data.Read(SampleTask.Refer, Split.Train).Where(sample => sample.Boxes.Count > 0)];

    [Theory]
    [InlineData("internvl", "The region is <box>[[{0}, {1}, {2}, {3}]]</box>.", 1000, null)]
    [InlineData("free", "[{0}, {1}, {2}, {3}]", 1, null)]
    [InlineData("qwen", "```json\n[{{\"bbox_2d\": [{0}, {1}, {2}, {3}], \"label\": \"it\"}}]\n```", null, "pixels-xyxy")]
    [InlineData("qwen", "{{\"bbox_2d\": [{0}, {1}, {2}, {3}]}}", 1000, "thousand-xyxy")]
    [InlineData("Give box_2d of {phrase}.", "{{\"box_2d\": [{1}, {0}, {3}, {2}]}}", 1000, null)]
    public void A_box_comes_back_in_original_pixels_whatever_its_notation_and_the_size_that_was_sent(
        string prompt, string form, int? range, string? declared)
    {
        var name = $"notation-{form.GetHashCode(StringComparison.Ordinal):x}-{range}";
        string[] changes = [$"ask.prompt={prompt}", "ask.longest_side=100", "ask.multiple=7"];
        var settings = workspace.Configuration(name, changes).Ask!;
        var pictures = Samples.GroupBy(sample => sample.Image)
            .ToDictionary(phrases => Picture(phrases.First(), settings).Address, phrases => phrases.ToList());
        using var server = new HostileServer(request =>
        {
            var asked = pictures[request.Picture].First(sample => request.Question == AskPrompt.Text(prompt, sample.Text, false));
            var (width, height) = range is { } far ? (far, far) : Picture(asked, settings).Size;
            var box = asked.Boxes[0].Scale((double)width / asked.Width, (double)height / asked.Height);
            return Plain(string.Format(CultureInfo.InvariantCulture, form, box.Left, box.Top, box.Right, box.Bottom));
        });
        var folder = Execute(name, server, changes).Folder;
        var read = PredictionFile.Read(folder.PredictionsPath,
            new ReadOptions { Coordinates = declared is null ? null : Coordinates.Parse(declared) });
        Assert.Equal(Samples.Select(sample => sample.Id), read.Select(answer => answer.Id));
        Assert.All(read, answer =>
        {
            var region = AnswerReader.Read(answer, AnswerRule.Raw, single: true);
            Assert.Equal(Flaw.None, region.Flaw);
            var (box, truth) = (region.Boxes[0], answer.Truth[0]);
            Assert.Equal([truth.Left, truth.Top, truth.Right, truth.Bottom], [box.Left, box.Top, box.Right, box.Bottom],
                (a, b) => Math.Abs(a - b) < 1e-9);
        });
    }

    [Theory, InlineData(true), InlineData(false)]
    public void An_asking_that_stopped_goes_on_where_it_was_and_ends_with_the_bytes_of_an_undisturbed_one(bool byUser)
    {
        var (after, asked) = (4, 0);
        using var server = new HostileServer(request => !byUser && Interlocked.Increment(ref asked) > after
            ? Error(503, "Out of order.") : Answer(request));
        using var stop = new CancellationTokenSource();
        var (whole, stopped) = ($"whole-{byUser}", $"stopped-{byUser}");
        var seen = 0;
        Action act = () => Execute(stopped, server, ["ask.concurrency=2"], interrupt: stop,
            watch: () => { if (byUser && ++seen == after) stop.Cancel(); });
        if (byUser) Assert.ThrowsAny<OperationCanceledException>(act);
        else Assert.Contains("--resume", Assert.Throws<InputException>(act).Message, StringComparison.Ordinal);
        var folder = Folder(stopped);
        Assert.Equal(byUser ? RunStatus.Interrupted : RunStatus.Failed, RunInfo.Read(folder.InfoPath).Status);
        Assert.False(File.Exists(folder.PredictionsPath));
        var kept = File.ReadAllLines(folder.PredictionsPath + ".part").Length - 1;
        Assert.InRange(kept, 1, Samples.Count - 1);
        var refused = Assert.Throws<InputException>(() => Execute(stopped, server));
        Assert.Contains("--overwrite", refused.Message, StringComparison.Ordinal);

        asked = int.MinValue; // it is in order again
        var posts = server.Requests.Count;
        var lines = Execute(stopped, server, ["ask.concurrency=3"], ExistingRun.Resume).Lines;
        Assert.Contains($"answers  {kept} of {Samples.Count} are there already", lines);
        Assert.Equal(Samples.Count - kept, server.Requests.Count - posts);
        Execute(whole, server);
        Assert.Equal(File.ReadAllBytes(Folder(whole).PredictionsPath), File.ReadAllBytes(folder.PredictionsPath));
        Assert.Empty(Directory.GetFiles(folder.Path, "*.part"));
        var info = RunInfo.Read(folder.InfoPath);
        Assert.Equal((RunStatus.Finished, 1, 90L * Samples.Count, 14L * Samples.Count),
            (info.Status, info.Resumed, info.Counts["prompt_tokens"], info.Counts["completion_tokens"]));

        posts = server.Requests.Count; // nothing is left to ask
        Assert.Contains($"answers  as they are in {folder.Path}", Execute(stopped, server, [], ExistingRun.Resume).Lines);
        Assert.Equal(posts, server.Requests.Count);
    }

    [Fact]
    public void Answers_to_something_else_are_no_ground_to_go_on_from()
    {
        using var server = new HostileServer(Answer);
        using var other = new HostileServer(Answer);
        Execute("changes", server);
        foreach (var change in (string[])["ask.prompt=qwen", "ask.longest_side=50", "ask.multiple=2", "ask.temperature=1",
            "ask.max_tokens=9", "ask.limit_field=max_completion_tokens", "eval.normalize_text=false", "data.dicom=full"])
        {
            var wrong = Assert.Throws<InputException>(() => Execute("changes", server, [change], ExistingRun.Resume));
            Assert.Contains(change.Split('=')[0] + ":", wrong.Message, StringComparison.Ordinal);
        }

        Assert.Contains("server:", Assert.Throws<InputException>(() => Execute("changes", other, [], ExistingRun.Resume)).Message,
            StringComparison.Ordinal);
        Assert.Contains("without --resume", Assert.Throws<InputException>(() => Execute("never", server, [], ExistingRun.Resume)).Message,
            StringComparison.Ordinal);
        Execute("changes", server, ["ask.concurrency=1", "ask.retries=7", "ask.key_variable=OTHER"], ExistingRun.Resume);
        Assert.Equal(Samples.Count, server.Requests.Count);
    }

    [Fact]
    public void A_picture_that_a_server_fails_on_costs_its_own_phrases_and_is_asked_again_alone()
    {
        var bad = Samples.GroupBy(sample => sample.Image).MaxBy(phrases => phrases.Count())!;
        var address = Picture(bad.First(), new AskSettings()).Address;
        var isMended = false;
        using var server = new HostileServer(request =>
            request.Picture == address && !isMended ? Error(500, "The picture is broken.") : Answer(request));
        var (folder, lines) = Execute("item", server, ["ask.concurrency=1"]);
        var answers = PredictionFile.Read(folder.PredictionsPath);
        const string GivenUp = "not answered, scores 0: the server answered 500";
        Assert.Equal(bad.Count(), lines.Count(line => line.Contains(GivenUp, StringComparison.Ordinal)));
        Assert.DoesNotContain(lines, line => line.Contains(bad.First().Text, StringComparison.Ordinal));
        Assert.Equal(bad.Select(sample => sample.Id), answers.Where(answer => answer.Unanswered is not null).Select(answer => answer.Id));
        var flaws = Scorer.Score(answers, new ScoringOptions { Resamples = 0 }).Weighted.Flaws;
        Assert.Equal(bad.Sum(sample => sample.Boxes.Count), flaws[Flaw.Unanswered]);
        Assert.Equal(bad.Count(), RunInfo.Read(folder.InfoPath).Counts["unanswered"]);

        (isMended, var posts) = (true, server.Requests.Count);
        Execute("item", server, [], ExistingRun.Resume);
        Assert.Equal(bad.Count(), server.Requests.Count - posts);
        Assert.DoesNotContain(PredictionFile.Read(folder.PredictionsPath), answer => answer.Unanswered is not null);
        Execute("item-whole", server);
        Assert.Equal(File.ReadAllBytes(Folder("item-whole").PredictionsPath), File.ReadAllBytes(folder.PredictionsPath));
    }

    [Fact]
    public void Refusals_and_prose_count_under_their_own_names()
    {
        var number = -1;
        using var server = new HostileServer(request => (Interlocked.Increment(ref number) % 4) switch
        {
            0 => Plain("I'm sorry, but I can't assist with medical images."),
            1 => Plain("The heart is not enlarged."),
            2 => Plain("{<10><20><30>", finish: "length"),
            _ => Answer(request),
        });
        var (folder, lines) = Execute("prose", server);
        var answers = PredictionFile.Read(folder.PredictionsPath);
        var flaws = answers.CountBy(answer => AnswerReader.Read(answer, AnswerRule.Raw, single: true).Flaw).ToDictionary();
        var n = Samples.Count;
        Assert.Equal(((n + 3) / 4, (n + 2) / 4, (n + 1) / 4, n / 4),
            (flaws[Flaw.Refused], flaws[Flaw.NoBox], flaws[Flaw.CutOff], flaws[Flaw.None]));
        Assert.Equal((n + 3) / 4, RunInfo.Read(folder.InfoPath).Counts["refused"]);
        var cut = $"{(n + 1) / 4} of {n} answers ended at ask.max_tokens=512";
        Assert.Contains(lines, line => line.StartsWith(cut, StringComparison.Ordinal));
    }

    [Fact]
    public void Pixels_and_words_are_sent_and_neither_names_nor_keys_are_kept()
    {
        const string Key = "sk-test-0123456789", Variable = "PFMVG_TEST_ASK_KEY";
        using var server = new HostileServer(request => request.Number == 1
            ? Error(500, $"Your key is {request.Headers["authorization"]}.")
            : Answer(request) with { Delay = TimeSpan.FromMilliseconds(5) });
        Environment.SetEnvironmentVariable(Variable, Key);
        var (folder, lines) = Execute("private", server, [$"ask.key_variable={Variable}", "ask.retries=0", "ask.concurrency=2"]);
        Environment.SetEnvironmentVariable(Variable, null);
        Assert.Contains(lines, line => line.StartsWith("sending  ", StringComparison.Ordinal)
            && line.Contains($"{Samples.Count} phrases to {server.Url}, this machine", StringComparison.Ordinal));
        Assert.All(server.Requests, request => Assert.Equal($"Bearer {Key}", request.Headers["authorization"]));
        Assert.InRange(server.MostAtOnce, 1, 2);
        var secret = Samples.SelectMany(sample => new[] { sample.Id, sample.Image, Path.GetFileNameWithoutExtension(sample.Image),
            sample.Patient!, sample.Study! }).Where(text => text is { Length: > 3 }).Distinct();
        Assert.All(server.Requests, request => Assert.All(secret, text => Assert.DoesNotContain(text,
            request.Line + string.Join('\n', request.Headers) + request.Body.Replace(request.Picture, "", StringComparison.Ordinal),
            StringComparison.Ordinal)));
        var texts = lines.Concat(Directory.GetFiles(folder.Path).Where(file => Path.GetFileName(file) != ".hold").Select(File.ReadAllText));
        Assert.All(texts, text => Assert.DoesNotContain("sk-test", text, StringComparison.Ordinal));
        Assert.Contains("Bearer KEY", File.ReadAllText(folder.PredictionsPath), StringComparison.Ordinal);
    }

    [Fact]
    public void A_picture_that_cannot_be_read_is_not_sent_and_costs_its_own_phrases_or_ends_the_asking()
    {
        using var server = new HostileServer(Answer);
        var bad = Samples.GroupBy(sample => sample.Image).First().ToList();
        var path = Data.ImagePath(bad[0]);
        var bytes = File.ReadAllBytes(path);
        File.WriteAllText(path, "broken");
        try
        {
            Assert.Throws<InputException>(() => Execute("strict", server, [], isolate: false));
            var posts = server.Requests.Count;
            var answers = PredictionFile.Read(Execute("isolated", server).Folder.PredictionsPath);
            Assert.Equal(bad.Select(sample => sample.Id),
                answers.Where(answer => answer.BrokenPicture is not null).Select(answer => answer.Id));
            Assert.Equal(Samples.Count - bad.Count, server.Requests.Count - posts);
        }
        finally
        {
            File.WriteAllBytes(path, bytes);
        }

        Execute("isolated", server, [], ExistingRun.Resume); // mended
        Assert.DoesNotContain(PredictionFile.Read(Folder("isolated").PredictionsPath), answer => answer.BrokenPicture is not null);
    }

    [Fact]
    public void Earlier_answers_stay_where_there_is_no_server_to_ask_again()
    {
        var server = new HostileServer(Answer);
        RunFolder folder;
        using (server) folder = Execute("stay", server).Folder;
        Assert.Contains("no server", Assert.Throws<InputException>(() => Execute("stay", server, [], ExistingRun.Overwrite)).Message,
            StringComparison.Ordinal);
        Assert.Equal(Samples.Count, PredictionFile.Read(folder.PredictionsPath).Count);
    }

    /// <summary>An answer that depends on nothing but the question.</summary>
    private static Reply Answer(Request request) =>
        Plain($"{{<{request.Question.Length % 50}><20><{50 + request.Picture.Length % 50}><80>}}");

    private (string Address, (int Width, int Height) Size) Picture(Sample sample, AskSettings settings)
    {
        var picture = AskedPicture.Of(ImageFile.Decode(Data.ImagePath(sample)), settings);
        return ($"data:image/png;base64,{Convert.ToBase64String(picture.Png)}", AskedPicture.SizeOf(sample.Width, sample.Height, settings));
    }

    private RunFolder Folder(string name) => RunFolder.ForPart(workspace.Configuration(name), "ask-train-m");

    private (RunFolder Folder, List<string> Lines) Execute(string name, HostileServer server, string[]? changes = null,
        ExistingRun existing = ExistingRun.Refuse, bool isolate = true, CancellationTokenSource? interrupt = null, Action? watch = null)
    {
        var display = new Lines { AfterAnswer = watch };
        var folder = AskRun.Execute(workspace.Configuration(name, [.. Quick, .. changes ?? []]), new AskRequest
        {
            Split = Split.Train, Server = ServerAddress.Parse(server.Url, allowRemote: false), Model = "m", Existing = existing,
            Isolate = isolate,
        }, display, interrupt?.Token ?? TestContext.Current.CancellationToken).Folder;
        return (folder, [.. display.Told]);
    }

    private sealed class Lines : ISessionDisplay
    {
        public ConcurrentQueue<string> Told { get; } = [];

        public Action? AfterAnswer { get; init; }

        public void Tell(string line) => Told.Enqueue(line);

        public void Asked(int done, int all, string note) => AfterAnswer?.Invoke();
    }
}
