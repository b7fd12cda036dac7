using System.CommandLine;
using System.CommandLine.Parsing;
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
Terminal.WriteUtf8();
var parsed = CommandTree.Create().Parse(args);
var strangers = parsed.Tokens.TakeWhile(token => token.Type != TokenType.DoubleDash) // a misspelt option must not pass for a folder's name
    .Where(token => token.Type == TokenType.Argument && token.Value.StartsWith("--", StringComparison.Ordinal))
    .Select(token => $"There is no option {token.Value} here.");
var errors = parsed.Errors.Select(error => error.Message).Concat(strangers).ToArray();
if (errors.Length > 0)
{
    foreach (var error in errors) Console.Error.WriteLine(Terminal.Visible($"error: {error}"));
    Console.Error.WriteLine("Run with --help to see what is possible.");
    return ExitCode.WrongInput;
}

try
{
    if (PathArguments.Expand(parsed, args) is var written && written != args) parsed = CommandTree.Create().Parse(written);
    return parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
}
catch (Exception exception)
{
    var failure = Failure.From(exception);
    Console.Error.WriteLine(Terminal.Visible(failure.Text));
    return failure.Code;
}
