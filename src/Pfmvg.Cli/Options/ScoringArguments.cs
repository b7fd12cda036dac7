using System.CommandLine;
using Pfmvg.Cli.Output;
using Pfmvg.Configuration;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Geometry;
using Pfmvg.Text;

namespace Pfmvg.Cli.Options;

/// <summary>The options of all commands that score: how answers are read, scored and printed.</summary>
internal sealed class ScoringArguments
{
    private readonly Option<string> _protocol = new("--protocol")
    {
        Description = $"How to score: {string.Join(", ", ProtocolDescription.Names)}, or with eval all of them side by side. Their figures "
            + "are not comparable with each other.",
        HelpName = "NAME",
        DefaultValueFactory = _ => ProtocolDescription.Names[0],
    };

    private readonly Option<AnswerRule> _rule = new Option<AnswerRule>("--answers")
    {
        Description = "Flawed answers: raw (the numbers count as they are), repair (corners are sorted and clamped), "
            + "strict (any flaw scores 0), original (as the authors' evaluator does).",
        DefaultValueFactory = _ => AnswerRule.Raw,
    }.ByName();

    private readonly Option<BoxReading> _boxReading = new Option<BoxReading>("--box-reading")
    {
        Description = "Numbers on the grid of 0..100 in answers that are text: written (n hundredths, as published) or middle "
            + "(n + 0.5, since targets are truncated). Default: the model's eval.box_reading; for files written.",
        DefaultValueFactory = _ => BoxReading.Written,
    }.ByName();

    private readonly Option<bool> _plusOne = new("--plus-one")
    {
        Description = "Add one pixel to every side, as the authors' helper does.",
    };
    private readonly Option<bool> _inclusive = new("--inclusive")
    {
        Description = "Accuracy counts IoU >= threshold instead of IoU > threshold.",
    };
    private readonly Option<bool> _holes = new("--nan-outside")
    {
        Description = "Treat NaN in a heat map as outside the region. Otherwise such a map counts as a failure.",
    };
    private readonly Option<MapScale> _scale = new Option<MapScale>("--map-scale")
    {
        Description = "Heat maps: raw (the thresholds 0.1 to 0.5 cut the values as they are, as in BioViL's article) or minmax (each map "
            + "is scaled to -1..1 by its least and most first). Their figures are not comparable.",
        DefaultValueFactory = _ => MapScale.Raw,
    }.ByName();
    private readonly Option<int> _resamples = new Option<int>("--resamples")
    {
        Description = "Bootstrap resamples for the 95 % intervals; 0 for none.",
        DefaultValueFactory = _ => 10_000,
    }.Between(0, 1_000_000);
    private readonly Option<IntervalMethod> _intervals = new Option<IntervalMethod>("--intervals")
    {
        Description = "How the intervals are read from the resamples: bca (bias-corrected and accelerated) or percentile.",
        DefaultValueFactory = _ => IntervalMethod.Bca,
    }.ByName();
    private readonly Option<long> _seed = new Option<long>("--bootstrap-seed")
    {
        Description = "Seed of the resamples.",
        DefaultValueFactory = _ => 0,
    }.Whole();
    private readonly Option<bool> _synthetic = new("--synthetic")
    {
        Description = "The pictures are phantoms: every table says that the scores are not clinical.",
    };

    private readonly Option<FileInfo?> _truth = new("--truth")
    {
        Description = "True boxes, for answers without them: COCO or MS-CXR .json, MS-CXR .csv, or .jsonl.",
    };
    private readonly Option<string?> _truthSplit = new("--truth-split")
    {
        Description = "Keep only this split of the truth, which must name splits (train, val, test).",
        HelpName = "SPLIT",
    };
    private readonly Option<string?> _coordinates = new("--coordinates")
    {
        Description = $"Coordinates of the boxes, also of those in answers: {string.Join(", ", Coordinates.All)}.",
        HelpName = "NAME",
    };
    private readonly Option<string?> _frame = new("--frame")
    {
        Description = "Boxes in pixels belong to the picture as it was resized for the model: 448x448, longest-1024, shortest-512 or "
            + "scale-0.5.",
        HelpName = "SIZE",
    };
    private readonly Option<bool> _trust = new("--trust-coordinates")
    {
        Description = "Accept boxes that seem to be in other coordinates, and heat maps beyond 1.",
    };
    private readonly Option<bool> _missing = new("--allow-missing")
    {
        Description = "Score samples without an answer 0 instead of refusing the file.",
    };
    private readonly Option<double> _confidence = new Option<double>("--min-confidence")
    {
        Description = "Drop boxes with a lower confidence.",
        DefaultValueFactory = _ => 0,
    }.Between(0, 1);

    private readonly Option<string> _format = new("--format")
    {
        Description = "Print tables as text, markdown, csv, json or latex.",
        HelpName = "text|markdown|csv|json|latex",
        DefaultValueFactory = _ => "text",
    };

    /// <summary>
    /// Adds the options to a command that reads answers from files or, without <paramref name="files"/>, scores only the model's
    /// own.
    /// </summary>
    public void AddTo(Command command, bool files = true)
    {
        Option[] always = [_protocol, _rule, _boxReading, _plusOne, _inclusive, _resamples, _intervals, _seed, _synthetic, _format];
        foreach (var option in always) command.Options.Add(option);
        if (!files) return;
        foreach (var option in (Option[])[_holes, _scale, _truth, _truthSplit, _coordinates, _frame, _trust, _missing, _confidence])
            command.Options.Add(option);
    }

    /// <summary>The options that say how answers from a file are read; they mean nothing where the model answers.</summary>
    public IEnumerable<Option> OfFiles => [_holes, _truth, _truthSplit, _coordinates, _frame, _trust, _missing, _confidence];

    /// <summary>What is scored as what.</summary>
    public Option ProtocolName => _protocol;

    /// <summary>How intervals are read from the resamples.</summary>
    public Option Intervals => _intervals;

    /// <summary>Those of them that say what the boxes in answers of another model mean, wherever the answers come from.</summary>
    public IEnumerable<Option> OfAnswers => [_coordinates, _frame, _trust];

    /// <summary>How answers are read that another model gave to our questions.</summary>
    public ReadOptions Reading(ParseResult parsed) =>
        AllOptions(parsed).Reading! with { Note = note => Terminal.Standard.Message($"note: {note}") };

    /// <summary>All protocols side by side instead of one.</summary>
    private bool IsAll(ParseResult parsed) => parsed.GetValue(_protocol)!.Equals("all", StringComparison.OrdinalIgnoreCase);

    /// <summary>How to score, where it may be by all protocols: each takes those of the rules that it has.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="maps">Whether the answers may be heat maps; the model's are not.</param>
    /// <exception cref="InputException">An option has no meaning beside the others.</exception>
    public ScoringOptions AllOptions(ParseResult parsed, bool maps = true)
    {
        if (!IsAll(parsed)) return Options(parsed);
        if (!maps) parsed.Refuse("is for heat maps, and the model answers with boxes; leave it out", _holes, _scale);
        RefuseIdle(parsed);
        return Read(parsed, Protocol.PfmvgBox);
    }

    /// <summary>Scores answers by one protocol, or by all that can score them.</summary>
    /// <exception cref="InputException">The answers cannot be scored, or an option has no effect on them.</exception>
    public ScoredFamilies Score(ParseResult parsed, IReadOnlyList<Prediction> answers, ScoringOptions options)
    {
        if (!IsAll(parsed)) return ScoredFamilies.One(Scorer.Score(answers, options));
        if (answers.All(answer => answer.HeatMap is null))
            parsed.Refuse("is for heat maps, and these answers are none; leave it out", _holes, _scale);
        if (answers.All(answer => answer.Answer is null && answer.Boxes is null))
            parsed.Refuse("has no effect on heat maps; leave it out", _rule, _boxReading, _plusOne);
        return ScoredFamilies.Every(answers, options);
    }

    // What has no effect or no meaning under any protocol.
    private void RefuseIdle(ParseResult parsed)
    {
        if (parsed.GetValue(_rule) == AnswerRule.Original)
        {
            parsed.Refuse("has no effect beside --answers original, which adds the pixel itself; leave it out", _plusOne);
            parsed.Refuse("has no meaning beside --answers original, which reads numbers as written; leave it out", _boxReading);
        }

        if (parsed.GetValue(_resamples) == 0)
            parsed.Refuse("has no effect without resamples (--resamples 0); leave it out", _seed, _intervals);
        if (parsed.GetValue(_confidence) is not (>= 0 and <= 1) and var minimum)
            throw new InputException(FormattableString.Invariant(
                $"--min-confidence {minimum}: confidences lie in 0..1; give such a number."));
        if (parsed.GetValue(_truth) is null)
            parsed.Refuse("chooses a part of --truth, which is not given; name the file with the true boxes", _truthSplit);
    }

    /// <summary>How to score, and how answers from a file are read.</summary>
    /// <exception cref="InputException">An option has no meaning, or none beside the others.</exception>
    public ScoringOptions Options(ParseResult parsed)
    {
        if (IsAll(parsed))
            throw new InputException("--protocol all sets the protocols side by side, which pfmvg eval does without --controls; here "
                + $"choose one of {string.Join(", ", ProtocolDescription.Names)}.");
        var protocol = ProtocolDescription.Parse(parsed.GetValue(_protocol)!);
        if (protocol != Protocol.MaskThresholds)
            parsed.Refuse("is for heat maps, which only --protocol mask-thresholds scores", _holes, _scale);
        else RefuseOfMaps(parsed);
        if (protocol == Protocol.Map50)
            parsed.Refuse("belongs to the accuracy, which --protocol map50 does not have; leave it out", _inclusive);
        RefuseIdle(parsed);
        return Read(parsed, protocol);
    }

    /// <summary>Rules for the answers of a configured model: what the command line leaves open is as configured.</summary>
    /// <exception cref="InputException">Rule and reading contradict each other.</exception>
    public ScoringOptions ForModel(ParseResult parsed, ScoringOptions rules, EvalSettings settings)
    {
        var reading = parsed.IsGiven(_boxReading) ? parsed.GetValue(_boxReading) : settings.BoxReading;
        if (reading != BoxReading.Written && rules.Rule == AnswerRule.Original)
            throw new InputException("--answers original reads numbers as written, and eval.box_reading is middle; add --set "
                + "eval.box_reading=written, or choose another rule.");
        return rules with { Reading = null, BoxReading = reading };
    }

    /// <summary>What makes another command read the same answers alike.</summary>
    public static IEnumerable<string> Again(ScoringOptions options) =>
        options.BoxReading == BoxReading.Middle ? ["--box-reading", "middle"] : [];

    /// <summary>How the maps of a rival are scored: by mask-thresholds, which need not be said.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="model">Who answers with maps.</param>
    /// <exception cref="InputException">Another protocol is given, or an option that has no effect on maps.</exception>
    public ScoringOptions MapOptions(ParseResult parsed, string model)
    {
        var maps = ProtocolDescription.Names[(int)Protocol.MaskThresholds];
        if (parsed.IsGiven(_protocol) && parsed.GetValue(_protocol) != maps)
            throw new InputException($"--protocol {parsed.GetValue(_protocol)}: the answers of {model} are maps without boxes, which only "
                + $"{maps} scores; leave --protocol out.");
        RefuseOfMaps(parsed);
        RefuseIdle(parsed);
        return Read(parsed, Protocol.MaskThresholds);
    }

    private void RefuseOfMaps(ParseResult parsed) => parsed.Refuse("has no effect on heat maps (mask-thresholds); leave it out", _rule,
        _boxReading, _confidence, _coordinates, _frame, _plusOne, _inclusive);

    private ScoringOptions Read(ParseResult parsed, Protocol protocol) => new()
    {
        Reading = new ReadOptions
        {
            Coordinates = parsed.GetValue(_coordinates) is { } coordinates ? Coordinates.Parse(coordinates) : null,
            Frame = parsed.GetValue(_frame) is { } frame ? PictureFrame.Parse(frame) : null,
            TrustCoordinates = parsed.GetValue(_trust),
            AllowMissing = parsed.GetValue(_missing),
            MinimumConfidence = parsed.GetValue(_confidence),
            TruthSplit = parsed.GetValue(_truthSplit),
        },
        AnyHeatMapScale = parsed.GetValue(_trust),
        Intervals = parsed.GetValue(_intervals),
        Protocol = protocol,
        Rule = parsed.GetValue(_rule),
        BoxReading = parsed.GetValue(_boxReading),
        PlusOne = parsed.GetValue(_plusOne),
        InclusiveAccuracy = parsed.GetValue(_inclusive),
        HeatMapMayHaveHoles = parsed.GetValue(_holes),
        MapScale = parsed.GetValue(_scale),
        Resamples = parsed.GetValue(_resamples),
        Seed = parsed.GetValue(_seed),
        Synthetic = parsed.GetValue(_synthetic),
    };

    /// <summary>Reads answers; notes about what was left out go to the error stream.</summary>
    public IReadOnlyList<Prediction> Read(ParseResult parsed, FileSystemInfo predictions)
    {
        if (predictions is DirectoryInfo)
            parsed.Refuse("has no effect on a folder of heat maps; leave it out", _coordinates, _frame);
        var options = Reading(parsed) with
        {
            Truth = parsed.GetValue(_truth) is { } truth ? TruthFile.Read(truth.FullName, parsed.GetValue(_truthSplit)) : null,
        };
        var answers = ExternalPredictions.Read(predictions.FullName, options);
        if (options.Truth is null && answers.All(answer => (answer.Answer ?? (object?)answer.Boxes ?? answer.HeatMap) is not null))
            parsed.Refuse($"counts as failures the questions of --truth that have no answer; no --truth is given and every line of "
                + $"{predictions} has an answer, so it has no effect; name the file with the true boxes, or leave it out", _missing);
        if (!answers.Any(ScoringRules.IsOnGrid))
            parsed.Refuse($"is about answers in the notation {{<x1><y1><x2><y2>}}, and {predictions} has none; leave it out", _boxReading);
        if (answers.All(answer => answer.Boxes is null || answer.Boxes.Count > 0 && answer.Confidence is null))
            parsed.Refuse($"drops boxes by their confidence, and {predictions} holds no boxes with one; leave it out", _confidence);
        return answers;
    }

    /// <summary>The format of printed tables.</summary>
    public TableFormat Format(ParseResult parsed) => TextGrid.ParseFormat(parsed.GetValue(_format)!);

    /// <summary>The files that scores are made from, with their hashes.</summary>
    public IReadOnlyList<SourceFile> Sources(ParseResult parsed, FileSystemInfo predictions) =>
    [
        SourceFile.Read("predictions", predictions.FullName),
        .. parsed.GetValue(_truth) is { } truth ? [SourceFile.Read("truth", truth.FullName)] : Array.Empty<SourceFile>(),
    ];

    /// <summary>The same files as settings of a report.</summary>
    public static IEnumerable<(string Name, string Value)> Files(ScoreTable table) =>
        table.Sources.Select(file => (file.Role, $"{file.Name}, {Units.Count(file.Bytes)} bytes, SHA-256 {file.Sha256}"));
}
