using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using Pfmvg.Cli.Options;
using Pfmvg.Cli.Output;
using Pfmvg.Cli.Process;
using Pfmvg.Cli.Serving;
using Pfmvg.Data;
using Pfmvg.Distributed;
using Pfmvg.Exporting;
using Pfmvg.Runs;
using Pfmvg.Serving;

namespace Pfmvg.Cli.Commands.Measuring;

/// <summary>`pfmvg bench serve`: a server under load, in turns with an evaluation of the same phrases.</summary>
internal static class BenchServeCommand
{
    public static Command Create()
    {
        var from = new Option<string?>("--from")
        {
            Description = "The run folder, checkpoint or peft adapter folder of the model, or 'base'. A run brings its own configuration. "
                + "Default: stage 2's result of the configuration.",
            HelpName = "PATH",
        };
        var clients = new Option<int>("--clients") { Description = "Clients that ask at a time.", DefaultValueFactory = _ => 16 }
            .Between(1, 1000);
        var seconds = new Option<int>("--seconds") { Description = "Length of each turn.", DefaultValueFactory = _ => 20 }
            .Between(1, 86_400);
        var rounds = new Option<int>("--rounds") { Description = "Turns of both.", DefaultValueFactory = _ => 3 }.Between(1, 10_000);
        var unseen = new Option<bool>("--unseen")
        {
            Description = "Make pictures new ones to the server in each pass over the split, and let the evaluation keep none either, so "
                + "that both decode and encode all of them in each pass.",
        };
        var command = new Command("serve",
            "Measure a server's answers per second beside those of an evaluation, its delays and its memory.")
        {
            from, clients, seconds, rounds, unseen,
        };
        var configuration = new ConfigurationOptions().AddTo(command).AddConstraint(command);
        command.SetAction(parsed =>
        {
            var turn = TimeSpan.FromSeconds(parsed.GetValue(seconds));
            var count = parsed.GetValue(rounds);
            var several = parsed.GetValue(clients);
            var model = parsed.GetValue(from);
            var settings = model is null or "base" ? configuration.ReadForData(parsed)
                : configuration.Read(parsed, () => ExportSource.Find(model).ConfigurationPath);
            var unkept = parsed.GetValue(unseen);
            if (unkept) settings = settings with { Data = settings.Data with { Cache = null, FeatureCache = null } };
            using var world = new SingleProcess();
            using var interrupt = new Interrupt("stopping after this turn.");
            using var display = new TerminalDisplay();
            var session = new Session(settings, world, display, interrupt.Token);
            using var served = ServedModel.Open(session.Configuration, model == "base" ? null : model, model == "base", interrupt.Token);
            Measure(served, several, turn, count, unkept, interrupt.Token).GetAwaiter().GetResult();
            return ExitCode.Success;
        });
        return command;
    }

    // A method of its own, so that other commands never load ASP.NET.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static async Task Measure(
        ServedModel model, int clients, TimeSpan turn, int rounds, bool unseen, CancellationToken cancel)
    {
        var setup = model.Setup;
        var samples = setup.Data.Read(SampleTask.Refer, Split.Test);
        await using var server = await Server.Start(model, new ServerOptions { Port = 0 }, Terminal.Standard.Message);
        var load = new LoadGenerator(server.Address.Replace("localhost", "127.0.0.1", StringComparison.Ordinal),
            [.. samples.Select(sample => (setup.Data.ImagePath(sample), sample.Text))], unseen);
        _ = Evaluate(setup, samples, TimeSpan.Zero); // both once, unmeasured
        _ = await load.Ask(clients, TimeSpan.FromSeconds(1), cancel);
        // Processor time tells the share on a machine that others use, too. The clients' is in the server's.
        Terminal.Standard.Print("round   eval/s  served/s  share  CPU share  batch  median ms   p99 ms  longest ms  refused  failed"
            + "     memory       heap");
        for (var round = 1; round <= rounds && !cancel.IsCancellationRequested; round++)
        {
            var began = Environment.CpuUsage.TotalTime;
            var (own, asked) = Evaluate(setup, samples, turn);
            var between = Environment.CpuUsage.TotalTime;
            var (batches, answers) = (server.Batches, server.Answered);
            var reading = await load.Ask(clients, turn, cancel);
            var share = (between - began) / asked / ((Environment.CpuUsage.TotalTime - between) / Math.Max(1, reading.Answered));
            Terminal.Standard.Print(string.Create(CultureInfo.InvariantCulture,
                $"{round,5}{own,9:f1}{reading.Rate,10:f1}{reading.Rate / own,7:f2}{share,11:f2}"
                + $"{(double)(server.Answered - answers) / Math.Max(1, server.Batches - batches),7:f1}{1e3 * reading.Within(0.5),11:f1}"
                + $"{1e3 * reading.Within(0.99),9:f1}{1e3 * reading.Within(1),12:f1}{reading.Refused,9}{reading.Failed,8}"
                + $"{Units.Bytes(ProcessMemory.Resident),11}{Units.Bytes(GC.GetTotalMemory(forceFullCollection: true)),11}"));
        }
    }

    /// <summary>Phrases per second, and how many, as an evaluation asks them, in whole passes over the split.</summary>
    private static (double Rate, int Asked) Evaluate(GroundingSetup setup, IReadOnlyList<Sample> samples, TimeSpan least)
    {
        var (answers, pictures, clock) = (setup.Answers(), setup.Pictures(), Stopwatch.StartNew());
        var passes = 0;
        do
        {
            _ = answers.Answer(samples, pictures.Whole);
            passes++;
        }
        while (clock.Elapsed < least);
        return (passes * samples.Count / clock.Elapsed.TotalSeconds, passes * samples.Count);
    }
}
