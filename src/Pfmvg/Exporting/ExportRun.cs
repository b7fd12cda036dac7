using Pfmvg.Configuration;
using Pfmvg.Models.Building;
using Pfmvg.Runs;
using Pfmvg.Runs.Records;
using static TorchSharp.torch;

namespace Pfmvg.Exporting;

/// <summary>An export that was written.</summary>
/// <param name="Path">Where; null when it did not pass its check and was removed.</param>
/// <param name="Bytes">Of its tensors.</param>
/// <param name="Comparison">The check; null when none was asked for.</param>
internal sealed record ExportResult(string? Path, long Bytes, ExportComparison? Comparison);

/// <summary>Writes what a run trained in the form of another program: what `pfmvg export` does.</summary>
internal static class ExportRun
{
    /// <summary>Writes an export, and checks it when that is wanted. It appears at its place whole, or not at all.</summary>
    /// <param name="session">The configuration of the training. One process exports.</param>
    /// <param name="options">What, and how.</param>
    /// <exception cref="InputException">Something is absent, does not fit, or is in the way.</exception>
    /// <exception cref="OperationCanceledException">The user interrupted; nothing is left.</exception>
    public static ExportResult Execute(Session session, ExportOptions options)
    {
        // Files hold floating types, and int8 is rounded from them in memory; the check looks at one picture, which no cache is for.
        var configuration = session.Configuration with
        {
            Model = session.Configuration.Model with { Language = session.Configuration.Model.Language with { Quantized = false } },
            Data = session.Configuration.Data with { FeatureCache = null },
        };
        var source = ExportSource.Find(options.From, configuration.Eval.Checkpoint);
        session.Tell($"model  {source.Used.Describe()}");
        source.RequireSameModel(configuration);
        source.RequireVisionOfBase();
        var isFile = options.Format == ExportFormat.MiniGptV2;
        if (isFile) MiniGptCheckpoint.Check(configuration.Model);
        using var target = ExportTarget.Choose(options.Output, isFile, options.Overwrite,
            [source.File, .. GroundingSetup.WeightFiles(configuration, null)]);
        using var parts = TrainedParts.Load(configuration, source.File);
        foreach (var file in parts.Files) session.Tell($"weights  {file.Path}: {file.Report}");
        foreach (var note in LoadedFile.NotesOf(parts.Files)) session.Tell(note);
        if (parts.Model.BoxHead is not null) session.Tell("warning: no format has a place for the box head (stage2.box_head); left out.");
        var baseName = options.BaseName ?? HuggingFaceFiles.PublicName(GroundingSetup.Paths(configuration).Language);
        using var form = Form(configuration, parts, options, source, baseName);
        var needsBase = options.Format == ExportFormat.Hf || options.Verify;
        var weights = source.HashBase(configuration, needsBase, session.Interrupt);
        var trained = RunFile.HashAll([source.File], null, session.Interrupt);

        target.Begin(form.Bytes + (form.Bytes >> 8) + (1 << 20)); // and a little for headers and texts
        long done = 0;
        form.Write(target.Work, info =>
        {
            session.Interrupt.ThrowIfCancellationRequested();
            session.Display.Exported(done, form.Bytes);
            done += info.Bytes;
        });
        session.Display.Exported(form.Bytes, form.Bytes);
        var comparison = options.Verify ? Verify(session, configuration, form, source, target.Work) : null;
        if (comparison is { Passed: false }) return new ExportResult(null, form.Bytes, comparison);
        if (!isFile)
        {
            var card = new ModelCard(configuration, options.Format, source, baseName, trained, weights, form.MergedType, comparison);
            AtomicFile.WriteText(Path.Combine(target.Work, "README.md"), card.Text());
            AtomicFile.WriteText(Path.Combine(target.Work, ExportTarget.Record), ExportForm.ToText(card.Record()));
        }

        session.Interrupt.ThrowIfCancellationRequested();
        target.Commit();
        return new ExportResult(target.Final, form.Bytes, comparison);
    }

    private static ExportForm Form(
        PfmvgConfiguration configuration, TrainedParts parts, ExportOptions options, ExportSource source, string? baseName) =>
        options.Format switch
        {
            ExportFormat.Peft => new PeftFolder(configuration, parts, baseName),
            ExportFormat.Hf => new MergedFolder(configuration, parts, options),
            _ => new MiniGptCheckpoint(configuration, parts, options.Names, source.Epoch()),
        };

    // One model after the other: two of full size do not fit.
    private static ExportComparison Verify(
        Session session, PfmvgConfiguration configuration, ExportForm form, ExportSource source, string written)
    {
        session.Tell("verify   asking the model that was exported");
        using var exported = Ask(() => GroundingSetup.Load(configuration, 0, configuration.Stage2.MaxAnswerTokens, source.File,
            session.Interrupt));
        session.Tell("verify   asking the model that the export gives");
        using var loaded = Ask(() => form.Load(written));
        var merged = form.MergedType is not null;
        return ExportCheck.Compare(exported, loaded, merged,
            merged && (form.MergedType == ScalarType.BFloat16 || configuration.Precision == Precision.Bf16));

        ExportCheck.Sayings Ask(Func<GroundingSetup> load)
        {
            session.Interrupt.ThrowIfCancellationRequested();
            using var setup = load();
            return ExportCheck.Ask(setup, session.Interrupt);
        }
    }
}
