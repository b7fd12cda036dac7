using System.CommandLine;
using System.Globalization;
using Pfmvg.Benchmarks;
using Pfmvg.Cli.Options;
using Pfmvg.Cli.Output;
using Pfmvg.Cli.Process;
using Pfmvg.Runs;

namespace Pfmvg.Cli.Commands.Measuring;

/// <summary>`pfmvg bench memory`: what a training holds over many steps.</summary>
internal static class BenchMemoryCommand
{
    private const int Readings = 20;

    public static Command Create()
    {
        var stage = new Option<int>("--stage")
        {
            Description = "1 or 2; it starts from the base weights.",
            DefaultValueFactory = _ => 2,
            HelpName = "1|2",
        };
        var steps = new Option<int>("--steps") { Description = "Steps to take.", DefaultValueFactory = _ => 2000, HelpName = "N" };
        var command = new Command("memory", "Trains for many steps, writes no run, and prints what the process holds.") { stage, steps };
        var configuration = new ConfigurationOptions().AddTo(command);
        command.SetAction(parsed =>
        {
            var (read, count) = (configuration.Read(parsed), parsed.GetValue(steps));
            if (count < Readings) throw new InputException($"--steps {count}: give at least {Readings}.");
            return Job.Run(() => read, "stopping after this step.", session =>
            {
                Terminal.Standard.Print("    step   resident     heap   tensors");
                var options = new TrainingOptions { Stage = parsed.GetValue(stage), FromBase = true };
                MemoryBenchmark.Run(session, options, count, count / Readings, reading => Terminal.Standard.Print(Line(reading)));
                return ExitCode.Success;
            });
        });
        return command;
    }

    private static string Line(MemoryReading reading) => string.Create(CultureInfo.InvariantCulture,
        $"{reading.Step,8}  {Units.Bytes(reading.ResidentBytes),9}{Units.Bytes(reading.ManagedBytes),9}{reading.LiveTensors,10}");
}
