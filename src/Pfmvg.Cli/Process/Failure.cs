using System.Runtime.InteropServices;
using Pfmvg.Cli.Output;

namespace Pfmvg.Cli.Process;

/// <summary>The message and the exit code of a command that failed or was interrupted.</summary>
/// <param name="Code">One of <see cref="ExitCode"/>.</param>
/// <param name="Text">One or a few lines, none where nobody reads them; a stack trace only with PFMVG_TRACE=1.</param>
internal readonly record struct Failure(int Code, string Text)
{
    /// <summary>The failure that an exception stands for.</summary>
    public static Failure From(Exception exception) => exception switch
    {
        AggregateException { InnerExceptions: [var first, ..] } => From(first), // several threads failed: the first one counts
        InputException => new(ExitCode.WrongInput, $"error: {exception.Message}"),
        OutputException { IsReaderGone: true } => new(ExitCode.ReaderGone, ""),
        OutputException => new(ExitCode.WrongInput, $"error: {exception.Message}"),
        _ when FileFault.Of(exception) is { } refused => new(ExitCode.WrongInput, $"error: {refused.Message}"),
        ExternalException when IsOutOfMemory(exception.Message) => new(ExitCode.Failure, "error: the memory of the "
            + (exception.Message.Contains("CUDA", StringComparison.Ordinal) ? "GPU" : "machine") + " is full "
            + $"({exception.Message.Split('\n')[0].Trim().TrimEnd('.')}).\n"
            + "Ask 'pfmvg plan' what a training needs and which settings need less: a smaller batch_size with more "
            + "accumulate, recompute: true, precision: bf16, model.language.quantized: true; for answers, a smaller eval.batch_size."),
        OperationCanceledException => new(ExitCode.Interrupted, "interrupted"),
        _ when Environment.GetEnvironmentVariable("PFMVG_TRACE") == "1" => new(ExitCode.Failure, $"error: {exception}"),
        _ => new(ExitCode.Failure, $"error: {exception.Message}\n"
            + "This is a failure, not wrong input. Set PFMVG_TRACE=1 to see where it happened."),
    };

    // libtorch's words, for a GPU and for the memory of the host.
    private static bool IsOutOfMemory(string message) =>
        message.Contains("out of memory", StringComparison.OrdinalIgnoreCase)
            || message.Contains("not enough memory", StringComparison.OrdinalIgnoreCase)
            || message.Contains("can't allocate memory", StringComparison.OrdinalIgnoreCase);
}
