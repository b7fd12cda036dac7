using System.CommandLine;
using Pfmvg;
using Pfmvg.Cli;
using Pfmvg.Cli.Options;
using Pfmvg.Cli.Output;
using Pfmvg.Cli.Process;

// One file per command; a command parses, calls the library and prints. Errors become one sentence and an exit code here.
Interrupt.Listen();
NativeSetup.KeepFreedMemory();
NativeSetup.ShortenIdleSpinning(serving: args is ["serve", ..] or ["bench", "serve", ..]);
NativeSetup.PrepareGpu();
NativeSetup.LoadOpenSslWhereMissing();
Terminal.ForgetPretendedTerminal();
Terminal.OpenOutput();
try
{
    var parsed = CommandTree.Create().Parse(args);
    if (ParseErrors.Of(parsed) is { Count: > 0 } errors)
    {
        foreach (var error in errors) Console.Error.WriteLine(ForeignText.Message($"error: {error}"));
        if (errors.Any(error => !error.StartsWith("--", StringComparison.Ordinal))) // a wrong value needs no list of options
            Console.Error.WriteLine("Run with --help to see what is possible.");
        return ExitCode.WrongInput;
    }

    if (PathArguments.Expand(parsed, args) is var written && written != args) parsed = CommandTree.Create().Parse(written);
    PathArguments.Check(parsed);
    return parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
}
catch (Exception exception)
{
    Interrupt.WaitIfLeaving();
    var failure = Failure.From(exception);
    if (failure.Text.Length > 0) Console.Error.WriteLine(ForeignText.Message(failure.Text));
    return failure.Code;
}
