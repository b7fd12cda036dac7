using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Pfmvg.Data.Preparation;
using Pfmvg.Imaging;
using Pfmvg.Imaging.Formats;

namespace Pfmvg.Data.Exporting;

/// <summary>What an export wrote.</summary>
/// <param name="Files">Samples by file, below the folder.</param>
/// <param name="Notes">What a user should know about it.</param>
/// <param name="Command">How the tool trains on it.</param>
internal sealed record ExportReport(IReadOnlyList<(string File, int Samples)> Files, IReadOnlyList<string> Notes, string Command);

/// <summary>
/// Writes prepared phrases in the forms of other tools, a file for each split. The pictures are copied beside them, because a
/// relative path starts at another folder in every tool; paths start at the export's own folder.
/// </summary>
internal static class ExportFiles
{
    /// <summary>The forms that are written.</summary>
    public static readonly string[] Formats = ["jsonl", "coco", "imagefolder", "ms-swift", "llamafactory", "llava", "llava-padded", "trl"];

    internal static readonly JsonSerializerOptions Json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Exports the phrases of every split into a new or empty folder, which appears whole or not at all.</summary>
    /// <exception cref="InputException">The folder is not empty, there are no phrases, or one cannot be written in the format.</exception>
    public static ExportReport Write(PreparedData data, string format, string folder, string question, DicomGray dicom,
        CancellationToken cancel, IProgress<PrepareProgress>? progress = null)
    {
        if (question.Split("{phrase}").Length != 2)
            throw new InputException($"--question '{question}': {{phrase}} must stand in it once.");
        folder = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        if (File.Exists(folder) || Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any())
            throw new InputException($"{folder}: this is not an empty folder; name a new one with --out, or remove it first.");
        var temporary = $"{folder}.{Environment.ProcessId}.{Guid.NewGuid():N}.tmp";
        Leftovers.Add(temporary);
        try
        {
            Directory.CreateDirectory(temporary);
            var (rows, drawn) = (new ExportRows(question), new HashSet<string>());
            var files = new List<(string File, int Samples)>();
            foreach (var split in Enum.GetValues<Split>())
            {
                var samples = data.Read(SampleTask.Refer, split);
                if (samples.Count == 0) continue;
                files.Add((WriteSplit(data, samples, format, temporary, split, rows, dicom, drawn, cancel, progress), samples.Count));
            }

            if (files.Count == 0)
                throw new InputException($"{data.Folder}: there are no phrases (refer.*.jsonl) to export; captions are not exported.");
            if (format == "llamafactory") AtomicFile.WriteText(Path.Combine(temporary, "dataset_info.json"), Describe(files));
            if (Directory.Exists(folder)) Directory.Delete(folder);
            Directory.Move(temporary, folder);
            string[] notes =
            [
                .. rows.Collapsed == 0 ? Array.Empty<string>()
                    : [$"{Units.Count(rows.Collapsed)} boxes have no width or height in the format's numbers: they are too small for "
                        + "its rounding."],
                .. drawn.Count == 0 ? Array.Empty<string>()
                    : [$"{Units.Count(drawn.Count)} DICOM pictures are 8-bit PNG here, gray by --dicom {dicom.Word()}; nothing of their "
                        + "headers is in them."],
            ];
            return new ExportReport(files, notes, ExportCommand.For(format, folder, files));
        }
        finally
        {
            if (Directory.Exists(temporary)) Directory.Delete(temporary, recursive: true);
            Leftovers.Forget(temporary);
        }
    }

    private static string WriteSplit(PreparedData data, IReadOnlyList<Sample> samples, string format, string folder, Split split,
        ExportRows rows, DicomGray dicom, HashSet<string> drawn, CancellationToken cancel, IProgress<PrepareProgress>? progress)
    {
        // imagefolder takes a folder's name for the split, and wants the pictures in it.
        var name = split == Split.Validate ? "validation" : split.ToString().ToLowerInvariant();
        var home = format == "imagefolder" ? Path.Combine(folder, name) : folder;
        var placed = new List<(Sample Sample, string Picture)>();
        foreach (var sample in samples)
        {
            cancel.ThrowIfCancellationRequested();
            if (format is not ("ms-swift" or "jsonl" or "coco" or "imagefolder") && Placeholder(sample.Text) is { } word)
                throw new InputException($"{data.Folder}: the phrase of sample {Privacy.Mask(sample.Id)} holds {word}, which the "
                    + $"format {format} takes for a picture; leave it out, or export to ms-swift.");
            var picture = (format == "imagefolder" ? "" : "pictures/") + $"{sample.Source}/{sample.Image}";
            if (sample.Dicom) // other tools read no DICOM, and its header names the patient
            {
                picture += ".png";
                if (drawn.Add(picture))
                    ImageSharpFile.WritePng(Path.Combine(home, picture), ImageFile.Decode(data.ImagePath(sample), dicom: dicom));
            }
            else Copy(data.ImagePath(sample), Path.Combine(home, picture));
            placed.Add((sample, picture));
            progress?.Report(new PrepareProgress(name, placed.Count) { IsLast = placed.Count == samples.Count });
        }

        var lines = placed.Select(sample => format switch
        {
            "imagefolder" => ExportRows.ImageFolder(sample.Sample, sample.Picture),
            "ms-swift" => rows.Swift(sample.Sample, sample.Picture),
            "llamafactory" => rows.LlamaFactory(sample.Sample, sample.Picture),
            "trl" => rows.Trl(sample.Sample, sample.Picture),
            "llava" => rows.Llava(sample.Sample, sample.Picture, padded: false),
            "llava-padded" => rows.Llava(sample.Sample, sample.Picture, padded: true),
            _ => ExportRows.Lines(sample.Sample, sample.Picture, name),
        });
        var file = format switch
        {
            "imagefolder" => $"{name}/metadata.jsonl",
            "coco" => $"instances_{name}.json",
            "llamafactory" or "llava" => $"{name}.json",
            "llava-padded" => $"{name}_padded.json", // nothing else tells the two apart
            _ => $"{name}.jsonl",
        };
        AtomicFile.WriteText(Path.Combine(folder, file), format == "coco" ? ExportCoco.Write(placed).ToJsonString(Json) + "\n"
            : file.EndsWith(".json", StringComparison.Ordinal) ? new JsonArray([.. lines]).ToJsonString(Json) + "\n"
            : string.Concat(lines.Select(line => line.ToJsonString(Json) + "\n")));
        return file;
    }

    private static string? Placeholder(string phrase) =>
        new[] { "<image>", "<video>", "<audio>" }.FirstOrDefault(word => phrase.Contains(word, StringComparison.Ordinal));

    private static void Copy(string from, string to)
    {
        if (File.Exists(to)) return; // several phrases have one picture
        if (!File.Exists(from))
            throw new InputException($"{Privacy.Mask(from)}: the picture is not there any more; prepare the data again, or name its "
                + "folder with --images.");
        Directory.CreateDirectory(Path.GetDirectoryName(to)!);
        File.Copy(from, to);
    }

    /// <summary>LLaMA-Factory's list of data sets.</summary>
    private static string Describe(List<(string File, int Samples)> files)
    {
        var sets = new JsonObject();
        foreach (var (file, _) in files)
            sets["pfmvg_" + Path.GetFileNameWithoutExtension(file)] = new JsonObject
            {
                ["file_name"] = file,
                ["formatting"] = "sharegpt",
                ["columns"] = new JsonObject { ["messages"] = "conversations", ["images"] = "images" },
            };
        return sets.ToJsonString(new JsonSerializerOptions { WriteIndented = true }) + "\n";
    }
}
