namespace Pfmvg.Cli.Process;

/// <summary>What the user is told when a command does not come to its end, and the exit code.</summary>
/// <param name="Code">One of <see cref="ExitCode"/>.</param>
/// <param name="Text">One or a few lines; never a stack trace unless PFMVG_TRACE=1 asks for it.</param>
internal readonly record struct Failure(int Code, string Text)
{
    /// <summary>The failure that an exception stands for.</summary>
    public static Failure Of(Exception exception) => exception switch
    {
        AggregateException { InnerExceptions: [var first, ..] } => Of(first), // several threads failed: the first one tells
        InputException => new(ExitCode.WrongInput, $"error: {exception.Message}"),
        OperationCanceledException => new(ExitCode.Interrupted, "interrupted"),
        _ when Environment.GetEnvironmentVariable("PFMVG_TRACE") == "1" => new(ExitCode.Failure, $"error: {exception}"),
        _ => new(ExitCode.Failure, $"error: {exception.Message}\nThis is a failure, not wrong input. Set PFMVG_TRACE=1 to see where it happened."),
    };
}
