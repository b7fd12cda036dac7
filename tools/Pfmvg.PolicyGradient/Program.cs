using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Pfmvg.Cli.Options;
using Pfmvg.Cli.Process;
using Pfmvg.Configuration;
using Pfmvg.Distributed;
using Pfmvg.Runs;
using Pfmvg.Training;

namespace Pfmvg.PolicyGradient;

/// <summary>Trains a model of stage 2 further, by policy gradient or as a control by the ordinary loss, for so much CPU time.</summary>
internal static class Program
{
    private const int Told = 50; // steps between two lines

    private static int Main(string[] arguments)
    {
        var from = new Option<string>("--from") { Description = "The model: a run's stage2 folder or a checkpoint.", Required = true };
        var to = new Option<string>("--out") { Description = "The trained tensors, for pfmvg eval --from.", Required = true };
        var minutes = new Option<double>("--minutes") { Description = "CPU time, all threads together.", DefaultValueFactory = _ => 7 }
            .Above0(1e6);
        var rate = new Option<double>("--rate") { Description = "Learning rate, after the warm-up.", DefaultValueFactory = _ => 1e-4 }
            .Above0(10);
        var warmup = new Option<int>("--warmup") { Description = "Steps of warm-up.", DefaultValueFactory = _ => 50 }
            .Between(0, int.MaxValue);
        var clip = new Option<double>("--clip") { Description = "Largest norm of a gradient; 0 for any.", DefaultValueFactory = _ => 1 }
            .Between(0, double.MaxValue);
        var draws = new Option<int>("--draws") { Description = "Answers to each phrase.", DefaultValueFactory = _ => 8 }
            .Between(2, 1000);
        var control = new Option<bool>("--control") { Description = "Learn the true answers instead." };
        var command = new RootCommand("Policy gradient with IoU as reward, and its control. The seed is --set seed=N.")
        {
            from, to, minutes, rate, warmup, clip, draws, control,
        };
        var options = new ConfigurationOptions().AddTo(command);
        command.SetAction(parsed =>
        {
            var read = options.ReadForData(parsed);
            var configuration = read with { Model = read.Model with { Lora = read.Model.Lora with { Dropout = 0 } } };
            var settings = configuration.Stage2 with
            {
                Epochs = 1_000_000, // the clock ends it
                InitLr = parsed.GetValue(rate),
                MinLr = parsed.GetValue(rate),
                WarmupStartLr = parsed.GetValue(rate) / Math.Max(1, parsed.GetValue(warmup)),
                WarmupSteps = parsed.GetValue(warmup),
                ClipNorm = parsed.GetValue(clip),
                CheckpointEvery = 0,
                SharePictures = true,
                TrainVision = false,
                BoxHead = false,
            };
            using var world = new SingleProcess();
            _ = new Session(configuration, world);
            using var setup = GroundingSetup.Load(
                configuration, localRank: 0, settings.MaxAnswerTokens, Path.GetFullPath(parsed.GetValue(from)!));
            var samples = setup.Samples(GroundingSetup.TrainingSplit(setup.Data, 2, settings), settings);
            var taught = new AnswerLearner(setup.Model, samples, settings);
            var policy = parsed.GetValue(control) ? null
                : new PolicyLearner(taught, setup.Model, configuration, settings, parsed.GetValue(draws));
            Run(policy, taught, settings, world, parsed.GetValue(minutes), Path.GetFullPath(parsed.GetValue(to)!),
                Checkpoint.MarksOf(setup.Model.Config));
            return ExitCode.Success;
        });
        NativeSetup.KeepFreedMemory();
        NativeSetup.ShortenIdleSpinning(serving: false);
        try
        {
            return command.Parse(arguments).Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
        }
        catch (Exception exception)
        {
            var failure = Failure.From(exception);
            Console.Error.WriteLine(failure.Text);
            return failure.Code;
        }
    }

    private static void Run(PolicyLearner? policy, AnswerLearner taught, StageSettings settings, ICommunicator world, double minutes,
        string path, IReadOnlyDictionary<string, string> marks)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        using var end = new CancellationTokenSource();
        using var trainer = new Trainer(policy ?? (ILearner)taught, settings, world);
        using var process = Process.GetCurrentProcess();
        var start = process.TotalProcessorTime;
        var losses = new List<double>();
        try
        {
            trainer.Run(new Position(0, 0), entry =>
            {
                process.Refresh();
                var spent = process.TotalProcessorTime - start;
                if (spent.TotalMinutes >= minutes) end.Cancel();
                losses.Add(entry.Loss);
                if (entry.Step % Told > 0 && !end.IsCancellationRequested) return;
                var found = policy is null ? $"loss {losses.Average():f4}" : $"reward {policy.TakeReward():f4}";
                losses.Clear();
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"step {entry.Step}  {spent.TotalSeconds:f0} s  {found}  gradient {entry.GradientNorm:f3}"));
            }, next => Checkpoint.Save(path, trainer.Kept, trainer.Optimizer, next, marks), _ => false, end.Token);
        }
        catch (OperationCanceledException) when (end.IsCancellationRequested)
        {
            // Its time is over, and what it has learned is written.
        }
    }
}
