using System.CommandLine;
using System.Globalization;
using Pfmvg.Benchmarks;
using Pfmvg.Cli.Options;
using Pfmvg.Cli.Output;
using Pfmvg.Cli.Process;
using Pfmvg.Runs;

namespace Pfmvg.Cli.Commands.Measuring;

/// <summary>`pfmvg bench memory`: the memory that a training holds over many steps.</summary>
internal static class BenchMemoryCommand
{
    private const int Readings = 20;

    public static Command Create()
    {
        var stage = new Option<int>("--stage")
        {
            Description = "1 (captions) or 2 (boxes); it starts from the base weights.",
            DefaultValueFactory = _ => 2,
            HelpName = "1|2",
        }.Between(1, 2);
        var steps = new Option<int>("--steps") { Description = "Steps to take.", DefaultValueFactory = _ => 2000, HelpName = "N" }
            .Between(Readings, int.MaxValue);
        var command = new Command("memory", "Train for many steps without writing a run, and print the memory that the process holds.")
        {
            stage, steps,
        };
        var configuration = new ConfigurationOptions().AddTo(command);
        command.SetAction(parsed =>
        {
            var settings = configuration.Read(parsed);
            var count = parsed.GetValue(steps);
            return Job.Run(() => settings, "nothing more is measured.", session =>
            {
                Interrupt.LoseNothing();
                Terminal.Standard.Print("    step   resident     heap   tensors");
                var options = new TrainingOptions { Stage = parsed.GetValue(stage), FromBase = true };
                MemoryBenchmark.Run(session, options, count, count / Readings, Print);
                return ExitCode.Success;
            });
        });
        return command;
    }

    private static void Print(MemoryReading reading) => Terminal.Standard.Print(string.Create(CultureInfo.InvariantCulture,
        $"{reading.Step,8}  {Units.Bytes(reading.ResidentBytes),9}{Units.Bytes(reading.ManagedBytes),9}{reading.LiveTensors,10}"));
}
