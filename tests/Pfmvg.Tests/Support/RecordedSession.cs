using Pfmvg.Configuration;
using Pfmvg.Distributed;
using Pfmvg.Runs;
using Pfmvg.Runs.Records;

namespace Pfmvg.Tests.Support;

/// <summary>A session of one process, and all that its user would see.</summary>
public sealed class RecordedSession : ISessionDisplay
{
    private readonly Action<string, StepReport>? _stepped;

    /// <param name="configuration">The configuration.</param>
    /// <param name="stepped">Gets the part and every step of it.</param>
    /// <param name="interrupt">Ends the work in order.</param>
    public RecordedSession(PfmvgConfiguration configuration, Action<string, StepReport>? stepped = null,
        CancellationToken interrupt = default) : this(configuration, stepped, needsBase: true, interrupt)
    {
    }

    /// <summary>The same; without <paramref name="needsBase"/> for a model that has no base weights.</summary>
    public RecordedSession(PfmvgConfiguration configuration, Action<string, StepReport>? stepped, bool needsBase,
        CancellationToken interrupt = default)
    {
        _stepped = stepped;
        Session = new Session(configuration, new SingleProcess(), this, needsBase, interrupt);
    }

    public Session Session { get; }

    /// <summary>Called after every batch of answers.</summary>
    public Action? AfterAnswers { get; init; }

    /// <summary>The lines that the user was told.</summary>
    public List<string> Lines { get; } = [];

    /// <summary>How often progress of answering was shown.</summary>
    public int AnsweredCount { get; private set; }

    public void Tell(string line) => Lines.Add(line);

    public void Stepped(string part, int every, StepReport report) => _stepped?.Invoke(part, report);

    public void Answered(int done, int all)
    {
        AnsweredCount++;
        AfterAnswers?.Invoke();
    }
}
