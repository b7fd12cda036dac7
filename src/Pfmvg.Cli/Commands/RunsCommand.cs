using System.CommandLine;
using System.Globalization;
using Pfmvg.Cli.Options;
using Pfmvg.Cli.Output;
using Pfmvg.Configuration;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Runs.Records;
using Spectre.Console;

namespace Pfmvg.Cli.Commands;

/// <summary>`pfmvg runs list` and `pfmvg runs show DIR`: what was run, on what, and with which results.</summary>
internal static class RunsCommand
{
    public static Command Create()
    {
        var command = new Command("runs", "List runs side by side, or show one in detail.");
        command.Add(ListCommand());
        command.Add(ShowCommand());
        return command;
    }

    private static Command ListCommand()
    {
        var command = new Command("list", "List the runs, one line for each part.");
        var folder = new Argument<string?>("DIR")
        {
            Description = "Folder of the runs. Default: the configured one.",
            DefaultValueFactory = _ => null,
        };
        command.Add(folder);
        var configuration = new ConfigurationOptions().AddTo(command);
        command.SetAction(parsed =>
        {
            var settings = configuration.Read(parsed);
            var runs = parsed.GetValue(folder) is { } path ? Path.GetFullPath(path) : settings.Resolve(settings.Runs);
            List(runs);
        });
        return command;
    }

    private static Command ShowCommand()
    {
        var command = new Command("show", "Show one part of a run: state, figures, loss, files and settings.");
        var folder = new Argument<string>("DIR") { Description = "The run's folder, for example pfmvg-tiny/runs/tiny/stage2." };
        command.Add(folder);
        command.SetAction(parsed => Show(RunFolder.Open(parsed.GetValue(folder)!)));
        return command;
    }

    private static void List(string runs)
    {
        var rows = RunFolder.List(runs).Select(folder => (folder, record: Read(folder))).ToArray();
        if (rows.Length == 0)
        {
            Terminal.Standard.Print($"No runs in {runs}.");
            return;
        }

        var figures = rows.SelectMany(row => row.record.Info?.Figures.Keys ?? []).Distinct().ToArray();
        List<IReadOnlyList<string>> lines = [];
        foreach (var (folder, (info, fault)) in rows)
        {
            string[] cells = [folder.Name, folder.Part, info is null ? $"unreadable: {fault}" : folder.State(info),
                info is null ? "-" : Units.Duration(TimeSpan.FromSeconds(info.Seconds))];
            lines.Add([.. cells.Concat(figures.Select(name =>
                info?.Figures.TryGetValue(name, out var value) == true ? Figure(name, value) : "-"))]);
        }

        GridPrinter.Print(new TextGrid($"Runs in {runs}", ["run", "part", "state", "time", .. figures], lines, []), names: 2);
    }

    /// <summary>What a part says of itself, or why that cannot be read: the other parts are shown all the same.</summary>
    private static (RunInfo? Info, string? Fault) Read(RunFolder folder)
    {
        try
        {
            return (RunInfo.Read(folder.InfoPath), null);
        }
        catch (InputException wrong)
        {
            return (null, wrong.Message.Replace(folder.InfoPath, "run.json", StringComparison.Ordinal).TrimEnd('.'));
        }
    }

    private static void Show(RunFolder folder)
    {
        var info = RunInfo.Read(folder.InfoPath);
        var grid = new Grid().AddColumn(new GridColumn().NoWrap()).AddColumn();
        void Row(string name, string text) => grid.AddRow(Shown(name), Shown(text));
        static string Shown(string text) => Markup.Escape(ForeignText.Quote(text));

        Row("run", $"{folder.Name}, {folder.Part}");
        Row("state", folder.State(info));
        Row("started", info.Started.ToString("yyyy-MM-dd HH:mm:ss zzz", CultureInfo.InvariantCulture));
        if (info.Ended is { } ended) Row("ended", ended.ToString("yyyy-MM-dd HH:mm:ss zzz", CultureInfo.InvariantCulture));
        Row("time", Units.Duration(TimeSpan.FromSeconds(info.Seconds)));
        Row("command", string.Join(' ', info.Command));
        Row("ranks", info.Ranks.ToString(CultureInfo.InvariantCulture));
        if (info.Steps > 0) Row("steps", string.Create(CultureInfo.InvariantCulture, $"{info.Step} of {info.Steps}"));
        foreach (var (name, value) in info.Counts) Row(Words(name), Units.Count(value));
        foreach (var (name, value) in info.Figures) Row(Words(name), Figure(name, value));
        Loss(folder, Row);
        if (info.Model is { } model) Row(info.Steps > 0 ? "begun with" : "model", model.Describe());
        if (info.Best is { } best)
            Row("best", string.Create(CultureInfo.InvariantCulture,
                $"{folder.In(best.Checkpoint)}  step {best.Step}, validation {best.Measure} {best.Value:f4}"));
        if (info.Result is { } result) Row("result", folder.In(result));
        foreach (var path in new[] { folder.PredictionsPath, folder.ScoresPath, folder.ReportPath }.Where(File.Exists))
            Row(Path.GetFileName(path), path);
        if (info.Dicom is { } dicom) Row("DICOM pictures", $"gray by data.dicom={dicom}");
        if (info.Synthetic) Row("data", "synthetic phantoms: scores on them are not clinical scores");
        foreach (var file in info.Weights) Row("weights", Describe(file));
        foreach (var file in info.Data) Row("data", Describe(file));
        foreach (var (name, value) in info.Environment) Row(Words(name), value);
        var settings = File.Exists(folder.ConfigurationPath) ? ConfigurationFile.Load(folder.ConfigurationPath, []) : null;
        Terminal.Standard.Print(grid);

        if (settings is null) return;
        Terminal.Standard.Print($"\nSettings that differ from the paper's ({folder.ConfigurationPath} has all):");
        foreach (var line in ConfigurationFile.Differences(new PfmvgConfiguration(), settings)) Terminal.Standard.Print($"  {line}");

        static string Describe(RunFile file) => $"{file.Path}  {Units.Bytes(file.Bytes)}  sha256 {file.Sha256}";
    }

    private static void Loss(RunFolder folder, Action<string, string> row)
    {
        var lines = StepLog.Read(folder.LogPath).ToArray();
        var losses = lines.Where(line => line.Text("kind") == "step").Select(line => StepLog.Figure(line, "loss") ?? double.NaN).ToArray();
        if (losses.Length > 0)
            row("loss", string.Create(CultureInfo.InvariantCulture, $"{losses[0]:f4} {Curve(losses)} {losses[^1]:f4}"));
        foreach (var line in lines.Where(line => line.Text("kind") is not ("step" or "note")))
        {
            var values = line.Element.EnumerateObject().Where(pair => pair.Name is not ("kind" or "step" or "epoch")).Select(pair =>
                $"{pair.Name} {(StepLog.Figure(line, pair.Name) is { } number ? Figure(pair.Name, number) : pair.Value.ToString())}");
            row(line.Text("kind") ?? "", $"after step {line.Count("step")}: {string.Join(", ", values)}");
        }

        foreach (var line in lines.Where(line => line.Text("kind") == "note"))
            row("note", $"at step {line.Count("step")}: {line.Text("text")}");
    }

    // Draws the loss over the run in at most 60 columns, each the mean of its steps.
    private static string Curve(double[] losses)
    {
        const string Levels = "▁▂▃▄▅▆▇█";
        var columns = Math.Min(60, losses.Length);
        var means = Enumerable.Range(0, columns)
            .Select(column => losses[(column * losses.Length / columns)..((column + 1) * losses.Length / columns)])
            .Select(steps => steps.Where(double.IsFinite).DefaultIfEmpty(double.NaN).Average())
            .ToArray();
        var (low, high) = (means.Where(double.IsFinite).DefaultIfEmpty(0).Min(), means.Where(double.IsFinite).DefaultIfEmpty(1).Max());
        return string.Concat(means.Select(mean => !double.IsFinite(mean) ? '?' : high <= low ? Levels[0]
            : Levels[(int)((mean - low) / (high - low) * (Levels.Length - 1))]));
    }

    private static string Figure(string name, double value) => name.EndsWith("_bytes", StringComparison.Ordinal)
        ? Units.Bytes((long)value)
        : value.ToString("0.0000", CultureInfo.InvariantCulture);

    private static string Words(string name) => name.Replace('_', ' ');
}
