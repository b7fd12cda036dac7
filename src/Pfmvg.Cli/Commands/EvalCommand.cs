using System.CommandLine;
using Pfmvg.Cli.Options;
using Pfmvg.Cli.Output;
using Pfmvg.Cli.Process;
using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Data.Preparation;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Runs;
using Pfmvg.Runs.Records;

namespace Pfmvg.Cli.Commands;

/// <summary>
/// `pfmvg eval`: answers a split with the model, or takes answers from a file; scores them, prints the tables and
/// writes the report.
/// </summary>
internal static class EvalCommand
{
    public static Command Create()
    {
        var scoring = new ScoringArguments();
        var measures = new MeasureArguments();
        var report = new ReportArguments();
        var split = new Option<string?>("--split")
        {
            Description = "Answer this split with the model: train, validate or test. Writes predictions.jsonl and scores it.",
            HelpName = "SPLIT",
        };
        var from = new Option<string?>("--from")
        {
            Description = "With --split: the run folder, checkpoint or peft adapter folder of the model, or 'base' for the base "
                + "weights alone. A run brings its own configuration. Default: stage 2's result of the configuration. With --model "
                + "biovil or biovil-t: the folder with its image model and its text folder.",
            HelpName = "PATH",
        };
        var predictions = new Option<string[]>("--predictions")
        {
            Description = "Score these answers without loading a model: predictions.jsonl, COCO results .json, "
                + "or a folder of heat maps .npy. Several are runs (seeds) of one method: their mean and standard deviation is printed.",
            HelpName = "PATH ...",
            AllowMultipleArgumentsPerToken = true,
        };
        var baselines = new Option<string?>("--baselines")
        {
            Description = "'paper' sets the paper's rows beside ours, in the paper's form; 'published' what others published on MS-CXR, "
                + "with protocols and sources.",
            HelpName = "paper|published",
        };
        var controls = new Option<bool>("--controls") { Description = ControlPrinter.Description };
        var audit = new Option<bool>("--audit") { Description = AuditPrinter.Description };
        var overwrite = new Option<bool>("--overwrite")
        {
            Description = "With --split: remove earlier answers of this name and answer again.",
        };
        var resume = new Option<bool>("--resume")
        {
            Description = "With --split: go on with answers that were interrupted, asked with the same data, weights and settings.",
        };
        var strict = new Option<bool>("--strict")
        {
            Description = "With --split: stop at the first picture that cannot be read, instead of scoring its phrases 0.",
        };
        var tasks = TaskEvaluation.Option();
        const string Purpose = "Score the model's answers, or answers from a file; print the table per class and write the report.";
        var command = new Command("eval", Purpose)
        {
            split, from, predictions, baselines, controls, audit, overwrite, resume, strict, tasks,
        };
        var asking = new AskOptions().AddTo(command);
        var rivals = new RivalOptions().AddMapsTo(command);
        var configuration = new ConfigurationOptions().AddTo(command).AddConstraint(command);
        scoring.AddTo(command);
        measures.AddTo(command);
        report.AddTo(command);
        command.SetAction(parsed =>
        {
            var rival = parsed.IsGiven(split) ? asking.Rival(parsed) : null;
            var rules = rival is null ? scoring.AllOptions(parsed, maps: !parsed.IsGiven(split)) : scoring.MapOptions(parsed, rival);
            measures.Read(parsed, rules);
            ScorePrinter.CheckBaselines(parsed.GetValue(baselines), rules.Protocol, "paper", "published");
            report.Check(parsed);
            var (paths, name) = (parsed.GetValue(predictions) ?? [], parsed.GetValue(split));
            var path = paths.FirstOrDefault();
            if ((path is null) == (name is null))
                throw new InputException("Say what to score: --split test for the model's answers, or --predictions FILE for "
                    + "answers from a file"
                    + (path is null ? "." : ", not both."));
            var (asked, isCnn) = (asking.Read(parsed), asking.IsCnn(parsed));
            var task = TaskEvaluation.Read(parsed.GetValue(tasks));
            if (asked is not null && path is not null)
                throw new InputException("--ask answers a split, so it needs --split instead of --predictions.");
            RefuseIdle(parsed, path is null);
            if (path is null)
            {
                if (parsed.GetValue(resume) && parsed.GetValue(overwrite))
                    throw new InputException("--resume and --overwrite contradict each other: give one of them.");
                var others = new OthersEvaluation(scoring, measures, report, parsed.GetValue(baselines), parsed.GetValue(audit));
                if (rival is not null)
                    return others.Run(parsed, WithoutNegatives(configuration.ReadForData(parsed)), new RivalSplitRequest
                    {
                        Split = SplitNames.Parse("--split", name!),
                        Asked = rivals.Of(parsed, rival, parsed.GetValue(from)),
                        Controls = parsed.GetValue(controls),
                        Existing = Existing(),
                        Isolate = !parsed.GetValue(strict),
                        ResumeCommand = configuration.Command(parsed, ["eval", "--split", name!, "--model", rival, "--resume", .. Given()]),
                        Command = [.. parsed.Tokens.Select(token => token.Value).Prepend("pfmvg")],
                    }, rules with { Reading = null });
                if (rules.Protocol == Protocol.MaskThresholds)
                    throw new InputException("--protocol mask-thresholds scores heat maps, and models are asked for boxes; choose "
                        + "another --protocol.");
                if (parsed.GetValue(controls)) ControlPrinter.Check(scoring.Options(parsed));
                if (asked is var (server, model))
                    return AskEvaluation.Run(parsed, WithoutNegatives(configuration.ReadForData(parsed)), new AskRequest
                    {
                        Split = SplitNames.Parse("--split", name!),
                        Server = server,
                        Model = model,
                        Existing = Existing(),
                        Isolate = !parsed.GetValue(strict),
                        ResumeCommand = configuration.Command(parsed,
                            ["eval", "--split", name!, .. asking.Given(parsed), "--resume", .. Given()]),
                        Command = [.. parsed.Tokens.Select(token => token.Value).Prepend("pfmvg")],
                    }, others);
                return Job.Run(() => configuration.ReadForData(parsed, isCnn, parsed.GetValue(from)),
                    "the answers so far are kept.", session => FromModel(session, name!), _ => !isCnn);
            }

            if (parsed.GetValue(resume) || parsed.GetValue(strict))
                throw new InputException("--resume and --strict are about the model's answers, so they need --split instead of "
                    + "--predictions.");
            if (parsed.GetValue(controls))
                throw new InputException("--controls asks the model, so it needs --split instead of --predictions.");
            if (paths.Length > 1)
            {
                parsed.Refuse("is about one file of answers, and --predictions names several; leave it out",
                    [audit, baselines, .. measures.All, .. report.All]);
                RunPrinter.Print(parsed, scoring, CompareCommand.RunFiles(paths, "--predictions"));
                return ExitCode.Success;
            }

            FileSystemInfo file = Directory.Exists(path) ? new DirectoryInfo(path) : new FileInfo(path);
            report.CheckSamples(parsed, file);
            var answers = measures.WithTraits(parsed, scoring.Read(parsed, file));
            var (scored, further) = measures.Measure(parsed, answers, scoring.Score(parsed, answers, rules)
                .Each(table => UsedCheckpoint.NameBeside(table, path) with { Sources = scoring.Sources(parsed, file) }));
            var audited = AuditPrinter.Run(parsed.GetValue(audit), answers, scored.Main);
            ScorePrinter.Print(scored, scoring.Format(parsed), parsed.GetValue(baselines), further, audited);
            report.WriteSamples(parsed, answers, scored);
            report.Write(parsed, scored.Main, file.Name, ScoringArguments.Files(scored.Main), configuration.Read(parsed).Data.Dicom,
                tables: [.. scored.Side, .. further, .. audited.Grids]);
            return audited.Code;

            void RefuseIdle(ParseResult line, bool asksModel)
            {
                if (asked is not null)
                    line.Refuse("belongs to our own model, and --ask asks another one; leave it out",
                        [from, controls, .. configuration.All.Where(option => option.Name == "--constrain")]);
                if (rival is not null)
                    line.Refuse($"is about answers with boxes, and those of {rival} are maps; leave it out",
                        configuration.All.Where(option => option.Name == "--constrain"));
                else line.Refuse("belongs to --split with --model biovil or biovil-t; add them, or leave it out", rivals.Maps);
                if (isCnn)
                {
                    line.Refuse("restricts words, and the plain network has none; leave it out",
                        configuration.All.Where(option => option.Name == "--constrain"));
                    if (line.GetValue(from) == "base")
                        throw new InputException("--from base: the plain network has no base weights; name its training, or leave it out.");
                }

                if (asked is not null || rival is not null || isCnn)
                    line.Refuse("is known to our own model alone; leave it out", tasks);
                if (task is not null)
                    line.Refuse($"belongs to boxes of phrases, and --task {task.Name} asks something else; leave one of them out",
                        [audit, baselines, scoring.ProtocolName, .. measures.All, .. report.All]);
                if (asksModel)
                    line.Refuse("reads answers from a file, so it needs --predictions; leave it out",
                        asked is null ? scoring.OfFiles : scoring.OfFiles.Except(scoring.OfAnswers));
                else line.Refuse("asks the model, so it needs --split instead of --predictions",
                    [from, overwrite, asking.Model, tasks, .. configuration.All]);
                if (!asksModel) report.RequireFolder(line);
            }

            int FromModel(Session session, string splitName)
            {
                var options = scoring.ForModel(parsed, rules, session.Configuration.Eval);
                report.CheckSamples(parsed, null);
                var isBase = parsed.GetValue(from) == "base";
                var run = configuration.RunOf(parsed, parsed.GetValue(from));
                if (run is not null)
                    session.Tell($"configuration  that of the run, {run.ConfigurationPath}; --config names another one");
                var wanted = new EvaluationOptions
                {
                    Split = SplitNames.Parse("--split", splitName),
                    Cnn = isCnn,
                    From = parsed.GetValue(from) is { } model && !isBase ? Path.GetFullPath(model) : null,
                    FromBase = isBase,
                    Existing = Existing(),
                    Isolate = !parsed.GetValue(strict),
                    ResumeCommand = configuration.Command(parsed, ["eval", "--split", splitName, "--resume", .. Given()]),
                    Command = [.. parsed.Tokens.Select(token => token.Value).Prepend("pfmvg")],
                    Controls = parsed.GetValue(controls),
                };
                if (task is not null) return TaskEvaluation.Run(parsed, session, task, wanted, scoring, rules);
                var result = EvaluationRun.Execute(session, wanted);
                if (!session.IsFirst) return ExitCode.Success;
                Interrupt.LoseNothing();
                var (settings, folder) = (session.Configuration, result.Folder);
                var answers = measures.WithTraits(parsed, result.Predictions);
                var (scored, further) = measures.Measure(parsed, answers, scoring.Score(parsed, answers, options)
                    .Each(table => result.Name(table) with { Sources = [SourceFile.Read("predictions", folder.PredictionsPath)] }));
                if (result.Negatives.Count > 0)
                {
                    var (table, grid) = AbstentionGrid.Beside(scored.Main, answers, result.Negatives);
                    (scored, further) = (scored.Each(one => one == scored.Main ? table : one), [.. further, grid]);
                }

                var scores = scored.Main;
                EvaluationRun.Record(folder, scores);
                PrintedPart beside = new(ControlPrinter.Tables(scores, result), () => ControlPrinter.Tidy(scores, result));
                var audited = AuditPrinter.Run(parsed.GetValue(audit), answers, scores);
                ScorePrinter.Print(scored, scoring.Format(parsed), parsed.GetValue(baselines), further, beside, audited);
                report.WriteSamples(parsed, answers, scored);
                IReadOnlyList<TextGrid> tables = [.. scored.Side, .. beside.Grids, .. audited.Grids];
                report.Write(parsed, scores, $"{settings.Name}, {splitName} split", Settings(settings, folder),
                    settings.Data.Dicom, folder.Path,
                    ImagePath(result.Data), [.. further, .. tables]);
                Terminal.Standard.Message($"Answers: {folder.PredictionsPath}");
                Terminal.Standard.Message(isBase || isCnn || settings.Name.EndsWith("-base", StringComparison.Ordinal)
                    ? $"Next: {ShellWords.Join(["pfmvg", "runs", "show", folder.Path])}"
                    : $"Next: {configuration.Command(parsed, ["eval", "--split", splitName, "--from", "base",
                            .. run is null ? (string[])[] : ["--config", run.ConfigurationPath]])} --set "
                        + $"name={settings.Name}-base, and then " + ShellWords.Join(["pfmvg", "compare", folder.PredictionsPath,
                            RunFolder.ForPart(settings with { Name = settings.Name + "-base" }, folder.Part).PredictionsPath,
                            .. ScoringArguments.Again(options)]));
                return CodeOf([result]) is ExitCode.Success ? audited.Code : ExitCode.Failure;
            }

            ExistingRun Existing() => parsed.GetValue(resume) ? ExistingRun.Resume
                : parsed.GetValue(overwrite) ? ExistingRun.Overwrite : ExistingRun.Refuse;

            IEnumerable<string> Given() =>
            [
                .. isCnn ? (string[])["--model", ModelNames.Cnn] : [],
                .. parsed.GetValue(from) is { } model ? (string[])["--from", model] : [],
                .. parsed.GetValue(controls) ? (string[])["--controls"] : [],
                .. parsed.GetValue(audit) ? (string[])["--audit"] : [],
                .. parsed.GetValue(strict) ? (string[])["--strict"] : [],
                .. task is not null ? (string[])["--task", task.Name] : [],
                .. rivals.Given(parsed),
            ];
        });
        return command;
    }

    /// <summary>The exit code of evaluations: a picture that cost answers is a failure.</summary>
    public static int CodeOf(IEnumerable<EvaluationResult> results) =>
        results.Any(result => result.Predictions.Any(answer => answer.BrokenPicture is not null)) ? ExitCode.Failure : ExitCode.Success;

    /// <summary>A configuration of a command that asks no phrases that name nothing.</summary>
    internal static PfmvgConfiguration WithoutNegatives(PfmvgConfiguration configuration) =>
        configuration.Eval.Negatives == 0 ? configuration
            : throw new InputException("eval.negatives: phrases that name nothing are asked of our own model or the plain network, in eval "
                + "and demo; set it to 0.");

    internal static Func<Prediction, string?> ImagePath(PreparedData data) => answer => data.FindPicture(answer.Id, answer.Image);

    /// <summary>What a report says of the answers' origin.</summary>
    internal static IEnumerable<(string Name, string Value)> Settings(PfmvgConfiguration configuration, RunFolder folder)
    {
        var info = RunInfo.Read(folder.InfoPath);
        yield return ("configuration", configuration.Name);
        var isOurs = info.Environment.GetValueOrDefault("decoding") != CnnSetup.Decoding;
        yield return ("model", (isOurs ? "" : "plain network, ") + (info.Model?.Describe() ?? "the base weights alone"));
        if (isOurs) yield return ("decoding", Decoding(configuration.Eval));
        if (configuration.Data.PhraseSets is { Count: > 0 } sets) yield return ("phrases of", string.Join(", ", sets));
        if (info.Dicom is { } dicom) yield return ("DICOM pictures", $"gray by data.dicom={dicom}");
        if (isOurs) yield return ("begin tokens", configuration.Eval.DoubleBos ? "two, as the original generates" : "one, as in training");
        foreach (var file in info.Weights) yield return ($"trained tensors {Path.GetFileName(file.Path)}", $"SHA-256 {file.Sha256}");
        foreach (var key in (string[])["pfmvg", "libtorch", "processor"])
            if (info.Environment.TryGetValue(key, out var value)) yield return (key, value);
    }

    private static string Decoding(EvalSettings eval)
    {
        var way = eval.Beams > 1 ? FormattableString.Invariant($"beam search, {eval.Beams} beams")
            : eval.Temperature > 0
                ? FormattableString.Invariant($"drawn at temperature {eval.Temperature}, top-p {eval.TopP}, at most {eval.Retries} retries")
            : "greedy";
        return way + (eval.Constrain == AnswerConstraint.Boxes ? ", boxes only" : "");
    }
}
