using System.CommandLine;
using System.Globalization;
using Pfmvg.Benchmarks;
using Pfmvg.Cli.Options;
using Pfmvg.Cli.Output;
using Pfmvg.Cli.Process;
using Pfmvg.Distributed;
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
            using var interrupt = new Interrupt("stopping after this step.");
            NativeSetup.SetThreads(read, new SingleProcess());
            PhantomWorkspace.Prepare(read, Terminal.Standard.Message, interrupt.Token, new DrawingProgress());
            Terminal.Standard.Print("    step   resident     heap   tensors");
            MemoryBenchmark.Run(read, new TrainingOptions
            {
                Stage = parsed.GetValue(stage),
                FromBase = true,
            }, count, count / Readings, reading => Terminal.Standard.Print(
                string.Create(CultureInfo.InvariantCulture, $"{reading.Step,8}  {Units.Bytes(reading.ResidentBytes),9}{Units.Bytes(reading.ManagedBytes),9}{reading.LiveTensors,10}")), interrupt.Token);
            return ExitCode.Success;
        });
        return command;
    }
}
