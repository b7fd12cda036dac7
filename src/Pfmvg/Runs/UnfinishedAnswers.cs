using System.Text.Json;
using Pfmvg.Evaluation.Predictions;

namespace Pfmvg.Runs;

/// <summary>
/// The answers of an evaluation that is not finished, beside the file that they will be in: a first line that marks them, and a line for
/// each answer as soon as it is there. Every rank has a part of its own.
/// </summary>
internal sealed class UnfinishedAnswers : IDisposable
{
    private readonly string _path;
    private readonly string _own;
    private readonly FileStream _file;
    private readonly Dictionary<string, Prediction> _known = [];

    /// <summary>Reads what is there and opens this rank's part to go on with it.</summary>
    /// <param name="path">The file of the finished answers.</param>
    /// <param name="rank">Number of this process.</param>
    /// <param name="key">Stands for questions, weights and settings. A part with another key is no start for this evaluation.</param>
    public UnfinishedAnswers(string path, int rank, string key)
    {
        (_path, _own) = (path, $"{path}{(rank == 0 ? "" : $".rank{rank}")}.part");
        Directory.CreateDirectory(Path.GetDirectoryName(path)!); // of a rank on another machine
        var length = 0L;
        foreach (var part in Parts())
            if (Read(part, key) is var whole && part == _own) length = whole;
        _file = Open(_own, FileMode.OpenOrCreate, FileAccess.ReadWrite);
        _file.SetLength(length);
        _file.Position = length;
        if (length == 0) Append(JsonSerializer.SerializeToUtf8Bytes(new Dictionary<string, string> { [PredictionFile.Unfinished] = key },
            JsonSerializerOptions.Default), [(byte)'\n']);
    }

    /// <summary>Whether there is any answer, in the finished file or in the part of the first process.</summary>
    public static bool AreThere(string path) => File.Exists(path)
        || InputFile.KindOf($"{path}.part") == FileKind.File && File.ReadLines($"{path}.part").Skip(1).Any();

    /// <summary>The answers of all parts that this process can see, by the samples' identifiers.</summary>
    public IReadOnlyDictionary<string, Prediction> Known => _known;

    /// <summary>
    /// Adds answers that are not there yet. A picture that could not be read is not noted: it is looked at again, and may be mended. So
    /// it is with a question that a server left without an answer.
    /// </summary>
    public void Add(IEnumerable<Prediction> answers)
    {
        var added = answers.Where(answer => (answer.BrokenPicture ?? answer.Unanswered) is null && !_known.ContainsKey(answer.Id))
            .Select(answer => answer with { Patient = null }).ToList();
        if (added.Count > 0) Append(PredictionFile.ToBytes(added, keepPatients: false));
    }

    /// <summary>Removes the parts, when the finished file is written.</summary>
    public void Remove()
    {
        _file.Dispose();
        foreach (var part in Parts()) File.Delete(part);
    }

    public void Dispose() => _file.Dispose();

    // What rank 2 of an earlier, larger job left counts, too.
    private string[] Parts() => Directory.GetFiles(Path.GetDirectoryName(_path)!, $"{Path.GetFileName(_path)}*.part");

    /// <summary>Takes the answers of a part; the length of its whole lines, or 0 for the part of another evaluation.</summary>
    private long Read(string part, string key)
    {
        var bytes = InputFile.ReadBytes(part, InputFile.MostLines);
        var whole = bytes.AsSpan(0, bytes.AsSpan().LastIndexOf((byte)'\n') + 1); // a kill may have cut the last line
        var first = whole[..(whole.IndexOf((byte)'\n') + 1)];
        if (first.IndexOf(System.Text.Encoding.UTF8.GetBytes($"\"{key}\"")) < 0) return 0;
        foreach (var answer in PredictionFile.FromBytes(whole.ToArray(), part)) _known.TryAdd(answer.Id, answer);
        return whole.Length;
    }

    private void Append(params ReadOnlySpan<byte[]> lines)
    {
        foreach (var line in lines) _file.Write(line);
        _file.Flush(flushToDisk: true);
    }

    // Other ranks read it while it grows.
    private static FileStream Open(string path, FileMode mode, FileAccess access) => new(path, mode, access, FileShare.ReadWrite);
}
