using System.CommandLine;
using Pfmvg.Cli.Options;
using Pfmvg.Cli.Output;
using Pfmvg.Evaluation.Comparing;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Reports;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Runs.Records;

namespace Pfmvg.Cli.Commands;

/// <summary>
/// `pfmvg compare A B`: what changed between sets of answers to the same questions, and whether that is chance. More than two sets are
/// compared in pairs, and several runs of two methods by their means.
/// </summary>
internal static class CompareCommand
{
    public static Command Create()
    {
        var scoring = new ScoringArguments();
        var files = new Argument<string[]>("A B ...")
        {
            Description = "Answers to the same questions, two sets or more: predictions.jsonl, COCO results, or a folder of heat maps.",
            Arity = ArgumentArity.ZeroOrMore,
        };
        var first = new Option<bool>("--with-first")
        {
            Description = "Of more than two sets, compare each with the first one instead of every pair.",
        };
        var runs = Files("--runs", "Several runs (seeds) of the first method instead of single sets; the second one's are named by "
            + "--against.");
        var against = Files("--against", "With --runs: the runs of the second method.");
        var changes = new Option<int>("--changes")
        {
            Description = "How many samples to list, those with the largest change first; for two sets.",
            DefaultValueFactory = _ => 10,
        }.Between(0, int.MaxValue);
        var phrases = new Option<bool>("--with-phrases") { Description = "List these samples with identifier and phrase." };
        var common = new Option<bool>("--common")
        {
            Description = "Compare only the samples that are in all sets; a note counts the others.",
        };
        var output = new Option<string?>("--out")
        {
            Description = "Write comparison.csv and comparison.json, with every difference and p value unrounded, into this folder; of two "
                + "sets also samples.csv, both answers' scores of each sample.",
            HelpName = "FOLDER",
        }.Writes(PathKind.Folder);
        var command = new Command("compare", "Compare sets of answers: paired differences with intervals and p values.")
        {
            files, first, runs, against, changes, phrases, common, output,
        };
        scoring.AddTo(command);
        command.SetAction(parsed =>
        {
            var (format, options) = (scoring.Format(parsed), scoring.Options(parsed));
            var sets = Sets();
            var answers = sets.Select(Read).ToList();
            var names = parsed.IsGiven(runs) ? sets : [.. sets.Select((_, i) => ((char)('A' + i)).ToString())];
            var leftOut = (string?)null;
            if (parsed.GetValue(common))
            {
                var (shared, note) = CommonSamples.Among(answers, names);
                (answers, leftOut) = ([.. shared], note);
            }

            var isMixed = answers.Select(IsMaps).Distinct().Count() > 1;
            if (isMixed) RequireOneOfEach();
            List<ScoreTable> tables = [.. answers.Zip(sets, Score)];
            if (parsed.IsGiven(runs)) OfRuns(tables);
            else if (tables.Count > 2) OfMethods(tables);
            else OfTwo(Comparison.Between(tables[0], tables[1]) with { LeftOut = leftOut });

            List<string> Sets()
            {
                var given = parsed.GetValue(files)!;
                if (!parsed.IsGiven(runs))
                {
                    parsed.Refuse("names runs of a second method, and --runs, which names those of the first one, is not given", against);
                    if (given.Length is < 2 or > MethodComparison.Most)
                        throw new InputException($"compare needs 2 to {MethodComparison.Most} sets of answers, and {given.Length} "
                            + $"{(given.Length == 1 ? "is" : "are")} named: give their files, or the runs of two methods with --runs and "
                            + "--against.");
                    if (given.Length == 2) parsed.Refuse("chooses among the pairs of more than two sets; leave it out", first);
                    else parsed.Refuse("is about the samples of two sets, and more are named; leave it out", changes, phrases);
                    if (options.Protocol == Protocol.Map50)
                        parsed.Refuse("is about single samples, and average precision belongs to none; leave it out", changes, phrases);
                    if (parsed.IsGiven(phrases) && parsed.GetValue(changes) <= 0 && parsed.GetValue(output) is null)
                        throw new InputException("--with-phrases shows samples, and --changes 0 lists none; leave one of them out.");
                    return [.. given];
                }

                if (given.Length > 0)
                    throw new InputException($"'{given[0]}' stands beside --runs; name all files behind --runs and --against, or none.");
                if (!parsed.IsGiven(against))
                    throw new InputException("--runs needs the second method's runs behind --against; the mean and deviation of one "
                        + "method's runs are printed by `pfmvg eval --predictions` with several files.");
                parsed.Refuse("is about single sets, not runs; leave it out", first, changes, phrases);
                RunPrinter.RefuseIntervals(parsed, scoring);
                var (a, b) = (RunFiles(parsed.GetValue(runs)!, "--runs"), RunFiles(parsed.GetValue(against)!, "--against"));
                if (a.Length + b.Length < 3)
                    throw new InputException("--runs and --against name one run each; compare the two files without these options.");
                return [.. a, .. b];
            }

            IReadOnlyList<Prediction> Read(string path) => scoring.Read(parsed, Source(path));

            // Boxes beside heat maps: each is scored by the protocol of its kind, which need not be said.
            void RequireOneOfEach()
            {
                if (sets.Count > 2)
                    throw new InputException(
                        "Some of these sets are boxes and some heat maps, which are compared two sets at a time; name one of each.");
                if (parsed.IsGiven(scoring.ProtocolName) && options.Protocol is not (Protocol.PhraseUnion or Protocol.MaskThresholds))
                    throw new InputException($"--protocol {ProtocolDescription.Names[(int)options.Protocol]}: one set holds boxes and the "
                        + "other heat maps, which are scored by phrase-union and by mask-thresholds; leave --protocol out.");
            }

            static bool IsMaps(IReadOnlyList<Prediction> set) => set.Any(answer => answer.HeatMap is not null);

            static FileSystemInfo Source(string path) => Directory.Exists(path) ? new DirectoryInfo(path) : new FileInfo(path);

            // Each set's model, where the run that its answers lie in tells it.
            TextGrid WithModels(TextGrid grid) => grid with
            {
                Notes = [.. grid.Notes.Where(note => !UsedCheckpoint.IsNote(note)),
                    .. tables.Zip(names).SelectMany(set => set.First.Notes.Where(UsedCheckpoint.IsNote)
                        .Select(note => $"{set.Second}: {note}"))],
            };

            // No set needs intervals of its own; the comparison computes those of the differences.
            ScoreTable Score(IReadOnlyList<Prediction> set, string path)
            {
                var rules = !isMixed ? options
                    : options with { Protocol = IsMaps(set) ? Protocol.MaskThresholds : Protocol.PhraseUnion };
                var table = UsedCheckpoint.NameBeside(Scorer.Score(set, rules with { Resamples = 0 }), path);
                return table with
                {
                    Options = table.Options with { Resamples = options.Resamples },
                    Sources = scoring.Sources(parsed, Source(path)),
                };
            }

            void OfTwo(Comparison comparison)
            {
                var withPhrases = parsed.GetValue(phrases) || comparison.Tables.B.Options.Synthetic;
                List<TextGrid> grids = [.. comparison.Metrics.Select(metric => WithModels(comparison.Grid(metric)))];
                if (options.Protocol != Protocol.Map50 && parsed.GetValue(changes) is > 0 and var count)
                    grids.Add(comparison.ChangesGrid(count, withPhrases));
                Print(() => TidyComparison.Of(comparison), grids);
                if (parsed.GetValue(output) is { } folder) ComparisonFiles.WriteSamples(folder, comparison, withPhrases);
            }

            void OfMethods(IReadOnlyList<ScoreTable> scores)
            {
                var comparison = MethodComparison.Between(scores, parsed.GetValue(first)) with { LeftOut = leftOut };
                Print(comparison.Tidy, [.. Comparison.MetricsOf(scores[0]).SelectMany(metric => (TextGrid[])
                    [WithModels(comparison.Figures(metric, sets)), comparison.Differences(metric)])]);
            }

            void OfRuns(IReadOnlyList<ScoreTable> scores)
            {
                var count = parsed.GetValue(runs)!.Length;
                var comparison = RunComparison.Between([.. scores.Take(count)], [.. scores.Skip(count)], sets, leftOut);
                Print(() => comparison.Tidy("A", "B"),
                    [.. Comparison.MetricsOf(scores[0]).Select(metric => WithModels(comparison.Grid(metric)))]);
            }

            void Print(Func<TidyTable> tidy, IReadOnlyList<TextGrid> grids)
            {
                GridPrinter.Print(format, tidy, grids);
                if (parsed.GetValue(output) is not { } folder) return;
                ComparisonFiles.Write(folder, tidy());
                Terminal.Standard.Message($"Comparison: {Path.Combine(folder, "comparison.csv")}");
            }
        });
        return command;
    }

    /// <summary>The files of a method's runs; a run that is named twice would count twice.</summary>
    /// <exception cref="InputException">One is.</exception>
    public static string[] RunFiles(string[] paths, string option) =>
        paths.CountBy(Path.GetFullPath).FirstOrDefault(path => path.Value > 1) is not { Key: { } twice } ? paths
            : throw new InputException($"{option} names {twice} twice; give each run once.");

    private static Option<string[]> Files(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "FILE ...",
        AllowMultipleArgumentsPerToken = true,
        Arity = ArgumentArity.OneOrMore,
    };
}
