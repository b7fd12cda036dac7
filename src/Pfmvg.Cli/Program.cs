using System.CommandLine;
using System.CommandLine.Parsing;
using Pfmvg.Cli.Commands;
using Pfmvg.Cli.Commands.Data;
using Pfmvg.Cli.Commands.Measuring;
using Pfmvg.Cli.Output;
using Pfmvg.Cli.Process;

// One file per command; a command parses, calls the library and prints. Errors become one sentence and an exit code here.
NativeSetup.KeepFreedMemory();
NativeSetup.ShortenIdleSpinning();
NativeSetup.LoadOpenSslWhereMissing();
Terminal.ForgetPretendedTerminal();
var root = new RootCommand("PFMVG: medical visual grounding. Given a chest radiograph and a phrase, answer with the box.");
root.Add(DemoCommand.Create());
root.Add(TrainCommand.Create());
root.Add(PlanCommand.Create());
root.Add(DataCommand.Create());
root.Add(BenchCommand.Create());
root.Add(EvalCommand.Create());
root.Add(PredictCommand.Create());
root.Add(AblationCommand.Create());
root.Add(CompareCommand.Create());
root.Add(RunsCommand.Create());
root.Add(DoctorCommand.Create());
root.Add(WeightsCommand.Create());
root.Add(PretrainCommand.Create());

var parsed = root.Parse(args);
var strangers = parsed.Tokens.TakeWhile(token => token.Type != TokenType.DoubleDash) // a misspelt option must not pass for a folder's name
    .Where(token => token.Type == TokenType.Argument && token.Value.StartsWith("--", StringComparison.Ordinal))
    .Select(token => $"There is no option {token.Value} here.");
var errors = parsed.Errors.Select(error => error.Message).Concat(strangers).ToArray();
if (errors.Length > 0)
{
    foreach (var error in errors) Console.Error.WriteLine($"error: {error}");
    Console.Error.WriteLine("Run with --help to see what is possible.");
    return ExitCode.WrongInput;
}

try
{
    return parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
}
catch (Exception exception)
{
    var failure = Failure.Of(exception);
    Console.Error.WriteLine(failure.Text);
    return failure.Code;
}
