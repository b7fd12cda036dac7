using Pfmvg.Configuration;
using Pfmvg.Data.Files;
using Pfmvg.Data.Preparation;
using Pfmvg.Data.Sets;
using Pfmvg.Models.Building;
using Pfmvg.Phantoms;
using Pfmvg.Phantoms.Planning;
using Pfmvg.Pretraining;
using Pfmvg.Text;
using static TorchSharp.torch;

namespace Pfmvg.Runs;

/// <summary>
/// Makes what a configuration with a `phantom` section needs where it is absent: a phantom study in the official layouts,
/// its preparation, and base weights in the real file formats. Everything after that is the same as with real data.
/// </summary>
internal static class PhantomWorkspace
{
    /// <summary>Makes the absent parts; does nothing without a `phantom` section.</summary>
    /// <param name="configuration">The configuration.</param>
    /// <param name="tell">Gets a line about each thing that was made.</param>
    /// <param name="cancel">Stops. What is unfinished is made again next time.</param>
    /// <param name="drawing">Gets the number of pictures drawn so far.</param>
    /// <param name="needsBase">False makes no base weights.</param>
    public static void Prepare(PfmvgConfiguration configuration, Action<string> tell, CancellationToken cancel,
        IProgress<PhantomProgress>? drawing = null, bool needsBase = true)
    {
        if (configuration.Phantom is not { } phantom) return;
        var prepared = configuration.Resolve(configuration.Data.Folder);
        var study = configuration.Resolve(Path.Combine("data", "phantom"));
        RequireDrawnAs(configuration, study);
        if (OutputFolder.IsPrepared(prepared) && !(needsBase && LacksBase(configuration))) return;
        using var hold = Take(Path.GetFullPath(configuration.Workspace), tell, cancel);
        if (!OutputFolder.IsPrepared(prepared))
        {
            RequireEmpty(prepared);
            if (!Directory.Exists(study))
            {
                tell(FormattableString.Invariant($"phantoms  drawing {phantom.Patients} patients, once"));
                var summary = PhantomStudy.Write(study, Options(phantom), drawing, cancel);
                tell($"phantoms  {summary.Pictures} pictures of {summary.Patients} patients, {summary.Phrases.Values.Sum()} phrases, "
                    + $"{summary.Boxes} boxes in {study}");
            }

            var report = PrepareStudy(study, prepared, configuration, cancel);
            tell($"data  {string.Join(", ", report.Samples.Select(s => $"{s.Value} in {s.Key}"))}");
        }

        if (!needsBase || !LacksBase(configuration)) return;
        var paths = GroundingSetup.Paths(configuration);
        AtomicFile.WriteText(BaseNotice(paths), Origin(phantom) + "\n");
        if (phantom.Base == PhantomBase.Pretrained)
        {
            CopyPretrained(paths);
            tell($"base weights  the tiny base, pre-trained on generic scenes, in {Path.GetDirectoryName(paths.Vision)}");
            return;
        }

        var tokenizer = Path.Combine(paths.Language, "tokenizer.model");
        TinyTokenizer.Write(tokenizer);
        var sizes = ConfiguredModel.Sizes(configuration.Model, LlamaTokenizer.Load(tokenizer).VocabularySize).InFloatingPoint;
        using var model = ModelBuilder.Random(sizes, ScalarType.Float32, CPU, phantom.Seed);
        BaseWeights.Write(model, paths, ScalarType.Float16);
        var parameters = model.named_parameters().Sum(p => p.parameter.numel());
        tell($"base weights  random, {parameters:n0} parameters, in {Path.GetDirectoryName(paths.Vision)}");
    }

    private static PhantomOptions Options(PhantomSettings phantom) => new()
    {
        Seed = phantom.Seed,
        Patients = phantom.Patients,
        Format = phantom.Format,
        Sets = PhantomSets.MsCxr | PhantomSets.Roco | (phantom.Anatomy ? PhantomSets.Anatomy : PhantomSets.None),
    };

    /// <summary>Takes the workspace; of several processes that find it empty one fills it, and the others wait.</summary>
    private static IDisposable Take(string workspace, Action<string> tell, CancellationToken cancel)
    {
        Directory.CreateDirectory(workspace);
        for (var told = false; ; told = true)
        {
            if (HoldFile.TryTake(Path.Combine(workspace, HoldFile.Name)) is { } hold) return hold;
            if (!told) tell($"{workspace}: another process draws phantoms or makes base weights here; waiting for it");
            cancel.WaitHandle.WaitOne(TimeSpan.FromSeconds(0.2));
            cancel.ThrowIfCancellationRequested();
        }
    }

    /// <summary>What is there was made with the settings that the run records: they cannot change behind it.</summary>
    private static void RequireDrawnAs(PfmvgConfiguration configuration, string study)
    {
        var phantom = configuration.Phantom!;
        const string Advice = "set them back, or use another workspace with --set workspace=FOLDER";
        var start = FormattableString.Invariant($"{PhantomMark.Start}{phantom.Seed}");
        var mark = Options(phantom).FormatMark;
        var used = !OutputFolder.IsPrepared(configuration.Resolve(configuration.Data.Folder))
            || GroundingSetup.OpenData(configuration).IsSynthetic;
        if (used && PhantomMark.Notice(study) is { } notice && !notice.StartsWith(start + ":", StringComparison.Ordinal) // of old versions
            && !notice.StartsWith(FormattableString.Invariant($"{start}, {phantom.Patients} patients{mark}:"), StringComparison.Ordinal))
            throw new InputException($"{study}: the study here was drawn otherwise ({notice.Split(':')[0]}) than "
                + FormattableString.Invariant($"by phantom.seed={phantom.Seed} and phantom.patients={phantom.Patients}")
                + (notice.Contains(", DICOM", StringComparison.Ordinal) == (phantom.Format == PhantomFormat.Dicom) ? ""
                    : $" and phantom.format={phantom.Format.ToString().ToLowerInvariant()}")
                + (notice.Contains(", anatomy:", StringComparison.Ordinal) == phantom.Anatomy ? ""
                    : $" and phantom.anatomy={(phantom.Anatomy ? "true" : "false")}") + $"; {Advice}.");
        var made = BaseNotice(GroundingSetup.Paths(configuration));
        if (!LacksBase(configuration) && File.Exists(made) && File.ReadAllText(made).Trim() is var origin && origin != Origin(phantom))
            throw new InputException($"{made}: the base weights here were made by {origin}, not by {Origin(phantom)}; {Advice}.");
    }

    /// <summary>Tells by which settings the base weights were made.</summary>
    private static string BaseNotice(WeightPaths paths) => Path.Combine(Path.GetDirectoryName(paths.Vision)!, "phantom-base.txt");

    private static string Origin(PhantomSettings phantom) => phantom.Base == PhantomBase.Pretrained ? "phantom.base=pretrained"
        : FormattableString.Invariant($"phantom.base=random and phantom.seed={phantom.Seed}");

    /// <summary>A phantom study is never written where anything else is: it could be somebody's data, half prepared.</summary>
    private static void RequireEmpty(string folder)
    {
        if (!Directory.Exists(folder) || !Directory.EnumerateFileSystemEntries(folder).Any()) return;
        throw new InputException($"{folder}: there is no {OutputFolder.Description} here but something else, so no phantom study is "
            + $"prepared here; finish it with 'pfmvg data prepare --out {folder}', or name another folder with --set data.folder=FOLDER.");
    }

    /// <summary>Prepares a phantom study; the folder appears whole or not at all.</summary>
    private static PrepareReport PrepareStudy(string study, string folder, PfmvgConfiguration configuration, CancellationToken cancel)
    {
        HoldFile.RemoveAbandoned(folder);
        var temporary = HoldFile.Beside(folder);
        try
        {
            var report = DataPreparation.Run(new PrepareOptions
            {
                Output = temporary,
                Seed = configuration.Seed,
                Dicom = configuration.Data.Dicom,
                TruncatedPictures = configuration.Data.TruncatedPictures,
                Sources = new DataSources
                {
                    MsCxr = Path.Combine(study, "ms-cxr"),
                    Roco = Path.Combine(study, "roco"),
                    ImaGenome = configuration.Phantom!.Anatomy ? Path.Combine(study, "chest-imagenome") : null,
                    ImageFolders = new[] { "ms-cxr", "chest-imagenome" }.Take(configuration.Phantom.Anatomy ? 2 : 1)
                        .ToDictionary(set => set, _ => Path.Combine(study, Options(configuration.Phantom).MimicFolder)),
                },
            }, null, cancel);
            if (Directory.Exists(folder)) Directory.Delete(folder); // it is empty
            Directory.Move(temporary, folder);
            return report;
        }
        finally
        {
            if (Directory.Exists(temporary)) Directory.Delete(temporary, recursive: true);
        }
    }

    /// <summary>Whether base weights are to be made before the model can be loaded.</summary>
    public static bool LacksBase(PfmvgConfiguration configuration)
    {
        if (configuration.Phantom is null) return false;
        var paths = GroundingSetup.Paths(configuration);
        return !File.Exists(paths.Vision) || !Directory.Exists(paths.Language);
    }

    /// <summary>Puts the files of the base that comes with the program where the configuration looks for them.</summary>
    private static void CopyPretrained(WeightPaths paths)
    {
        if (paths.Start is null)
            throw new InputException("phantom.base is pretrained, so weights.start must name the file for the base's projector.");
        Copy(PretrainRun.VisionFile, paths.Vision);
        Copy(PretrainRun.StartFile, paths.Start);
        foreach (var file in (string[])["config.json", "tokenizer.model", "model.safetensors"])
            Copy(file, Path.Combine(paths.Language, file));

        static void Copy(string name, string path)
        {
            using var file = typeof(PhantomWorkspace).Assembly.GetManifestResourceStream("tiny-base/" + name)!;
            AtomicFile.Write(path, file.CopyTo);
        }
    }
}
