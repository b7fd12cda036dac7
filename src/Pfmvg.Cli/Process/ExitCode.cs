namespace Pfmvg.Cli.Process;

/// <summary>Exit codes of the program.</summary>
internal static class ExitCode
{
    public const int Success = 0;
    public const int Failure = 1;
    public const int WrongInput = 2;
    public const int Interrupted = 130;
    public const int ReaderGone = 141; // as a shell counts SIGPIPE
}
