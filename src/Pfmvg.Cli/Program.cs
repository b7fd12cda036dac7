using System.CommandLine;
using Pfmvg;
using Pfmvg.Cli;

// One file per command; a command parses, calls the library and prints. Errors become one sentence and an exit code here.
var root = new RootCommand("PFMVG: medical visual grounding. Given a chest radiograph and a phrase, answer with the box.");
root.Add(RunsCommand.Create());
root.Add(DataCommand.Create());

root.Add(EvalCommand.Create());

var parsed = root.Parse(args);
if (parsed.Errors.Count > 0)
{
    foreach (var error in parsed.Errors) Console.Error.WriteLine($"error: {error.Message}");
    Console.Error.WriteLine("Run with --help to see what is possible.");
    return ExitCode.WrongInput;
}

try
{
    return parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
}
catch (InputException wrong)
{
    Console.Error.WriteLine($"error: {wrong.Message}");
    return ExitCode.WrongInput;
}
catch (OperationCanceledException)
{
    Console.Error.WriteLine("interrupted");
    return ExitCode.Interrupted;
}
catch (Exception failure)
{
    Console.Error.WriteLine($"error: {failure.Message}");
    if (Environment.GetEnvironmentVariable("PFMVG_TRACE") == "1") Console.Error.WriteLine(failure);
    else Console.Error.WriteLine("This is a failure, not wrong input. Set PFMVG_TRACE=1 to see where it happened.");
    return ExitCode.Failure;
}
