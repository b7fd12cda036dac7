using System.Collections.Concurrent;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Imaging;
using Pfmvg.Serving;

namespace Pfmvg.Tests.Serving;

public sealed class AnswerQueueTests : IDisposable
{
    private static readonly AnswerManner Free = new(false, 64, 0, 1), Boxes = new(true, 64, 0, 1);
    private static readonly ServedPicture Picture = new(1, 1, new DecodedImage(1, 1, 1, new byte[1]));

    private readonly BlockingCollection<string> _begun = []; // the texts of each batch that is being answered
    private readonly SemaphoreSlim _go = new(0);

    public void Dispose()
    {
        _begun.Dispose();
        _go.Dispose();
    }

    private static Question Ask(string text, AnswerManner? manner = null) => new(Picture, text, [1], manner ?? Free);

    private static Question AskUntil(string text, CancellationToken gone) => new(Picture, text, [1], Free, gone);

    private static ServedAnswer Answer(Question question) => new(AnswerLine.Read(new Prediction
    {
        Id = "1", Image = "", Class = "", Phrase = question.Text, Width = 1, Height = 1, Truth = [], Answer = question.Text,
    }), true, 1);

    private AnswerQueue Queue(int capacity = 100, int batch = 4) => new((questions, cancel) =>
    {
        _begun.Add(string.Concat(questions.Select(question => question.Text)), CancellationToken.None);
        if (!_go.Wait(TimeSpan.FromSeconds(30), cancel)) throw new TimeoutException();
        return questions.Any(question => question.Text == "!") ? throw new InvalidDataException("bad") : [.. questions.Select(Answer)];
    }, capacity, batch);

    private string Begun() => _begun.TryTake(out var texts, TimeSpan.FromSeconds(30)) ? texts : "nothing";

    private static async Task<string> Text(Question question) => (await question.Answer).Line.Prediction.Answer!;

    [Fact]
    public async Task Questions_that_wait_together_are_answered_together_by_manner_and_the_oldest_is_never_passed_over()
    {
        using var queue = Queue();
        Question[] questions = [.. "abCdEfghI".Select(letter => Ask($"{letter}", char.IsUpper(letter) ? Boxes : Free))];
        Assert.True(queue.TryAdd(questions[..1]));
        Assert.Equal("a", Begun());
        Assert.True(queue.TryAdd(questions[1..]));
        _go.Release(10);
        Assert.Equal(["bdfg", "CEI", "h"], Enumerable.Range(0, 3).Select(_ => Begun()));
        foreach (var question in questions) Assert.Equal(question.Text, await Text(question));
        Assert.Equal((4, 9), (queue.Batches, queue.Answered));
    }

    [Fact]
    public async Task Who_is_answered_and_asks_again_is_answered_with_those_who_wait()
    {
        using var queue = Queue();
        for (var attempt = 0; attempt < 50; attempt++) // on a busy machine the moment may be over before the client asks
        {
            var (first, waits, again) = (Ask("a"), Ask("b"), Ask("c"));
            Assert.True(queue.TryAdd([first]));
            Assert.Equal("a", Begun());
            Assert.True(queue.TryAdd([waits]));
            await Task.Delay(100, TestContext.Current.CancellationToken); // the batch takes so long, and its client has a quarter of that
            _go.Release();
            await first.Answer;
            await Task.Delay(1, TestContext.Current.CancellationToken); // never without a moment between the two
            Assert.True(queue.TryAdd([again]));
            _go.Release(2);
            var next = Begun();
            foreach (var question in (Question[])[waits, again]) await question.Answer;
            if (next == "bc") return; // with one release too many, which nobody needs any more
            Assert.Equal(("b", "c"), (next, Begun()));
        }

        Assert.Fail("Both were never answered together.");
    }

    [Fact]
    public void Places_are_given_to_all_questions_of_a_request_or_to_none()
    {
        using var queue = Queue(capacity: 2);
        Assert.True(queue.TryAdd([Ask("a")]));
        Assert.Equal("a", Begun());
        Assert.True(queue.TryAdd([Ask("b")]));
        Assert.False(queue.TryAdd([Ask("c"), Ask("d")]));
        Assert.Equal(1, queue.Waiting);
        Assert.True(queue.TryAdd([Ask("e")]));
        Assert.False(queue.TryAdd([Ask("f")]));
        _go.Release(10);
    }

    [Fact]
    public async Task Who_leaves_frees_a_place_and_is_not_answered()
    {
        using var queue = Queue(capacity: 1);
        using var leave = new CancellationTokenSource();
        Assert.True(queue.TryAdd([Ask("a")]));
        Assert.Equal("a", Begun());
        var gone = AskUntil("b", leave.Token);
        Assert.True(queue.TryAdd([gone]));
        await leave.CancelAsync();
        Assert.Equal(0, queue.Waiting);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => gone.Answer);
        Assert.True(queue.TryAdd([Ask("c")]));
        _go.Release(10);
        Assert.Equal("c", Begun());
        var late = AskUntil("d", leave.Token); // left before it came
        Assert.True(queue.TryAdd([late]));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => late.Answer);
    }

    [Fact]
    public async Task A_batch_for_which_nobody_waits_is_stopped_and_one_for_which_somebody_waits_is_not()
    {
        using var queue = Queue();
        using CancellationTokenSource one = new(), other = new();
        Question[] questions = [AskUntil("a", one.Token), AskUntil("b", other.Token)];
        Assert.True(queue.TryAdd([Ask("0")]));
        Assert.Equal("0", Begun());
        Assert.True(queue.TryAdd(questions));
        _go.Release();
        Assert.Equal("ab", Begun());
        await one.CancelAsync();
        Assert.False(questions[1].Answer.IsCompleted);
        await other.CancelAsync(); // the answerer is waiting still, and is let go by this alone
        Assert.True(queue.TryAdd([Ask("c")]));
        Assert.Equal("c", Begun());
        _go.Release();
    }

    [Fact]
    public async Task A_question_that_cannot_be_answered_fails_alone()
    {
        using var queue = Queue();
        Question[] questions = [Ask("a"), Ask("!"), Ask("b")];
        _go.Release(10);
        Assert.True(queue.TryAdd(questions));
        await Assert.ThrowsAsync<InvalidDataException>(() => questions[1].Answer);
        Assert.Equal(("a", "b"), (await Text(questions[0]), await Text(questions[2])));
    }

    [Fact]
    public async Task A_closed_queue_takes_nothing_and_answers_what_it_has()
    {
        var queue = Queue(batch: 1);
        Question[] questions = [Ask("a"), Ask("b"), Ask("c")];
        Assert.True(queue.TryAdd(questions));
        queue.Close();
        Assert.False(queue.TryAdd([Ask("d")]));
        _go.Release(10);
        queue.Dispose();
        Assert.Equal(["a", "b", "c"], await Task.WhenAll(questions.Select(Text)));
    }
}
