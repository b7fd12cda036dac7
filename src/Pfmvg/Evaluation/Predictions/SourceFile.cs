using System.Security.Cryptography;
using System.Text;

namespace Pfmvg.Evaluation.Predictions;

/// <summary>A file that scores were made from, so that a reader can tell whether he has the same one.</summary>
/// <param name="Role">What it holds: "predictions" or "truth".</param>
/// <param name="Name">Its name without the folder, which may name a patient.</param>
/// <param name="Bytes">Its size; of a folder, that of its files together.</param>
/// <param name="Sha256">Its hash in hexadecimal. Of a folder, that of the list which `sha256sum *.npy` prints in it.</param>
internal sealed record SourceFile(string Role, string Name, long Bytes, string Sha256)
{
    /// <summary>Reads a file or a folder of heat maps.</summary>
    public static SourceFile Read(string role, string path)
    {
        if (!Directory.Exists(path)) return new SourceFile(role, Path.GetFileName(path), new FileInfo(path).Length, Hash(path));
        var files = Directory.GetFiles(path, "*.npy");
        Array.Sort(files, StringComparer.Ordinal);
        var list = string.Concat(files.AsParallel().AsOrdered().Select(file => $"{Hash(file)}  {Path.GetFileName(file)}\n"));
        return new SourceFile(role, Path.GetFileName(Path.TrimEndingDirectorySeparator(path)), files.Sum(file => new FileInfo(file).Length),
            Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(list))));
    }

    private static string Hash(string path)
    {
        InputFile.Require(path);
        using var stream = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }
}
