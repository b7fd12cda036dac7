using System.IO.Compression;
using System.Text.RegularExpressions;
using TorchSharp;

namespace Pfmvg.Tests.Support;

/// <summary>Reads NumPy's .npy and .npz files (little-endian, C order) into tensors.</summary>
internal static partial class Npy
{
    public static torch.Tensor Read(string path) => Read(File.ReadAllBytes(path), path);

    public static Dictionary<string, torch.Tensor> ReadArchive(string path)
    {
        using var archive = ZipFile.OpenRead(path);
        return archive.Entries.ToDictionary(entry => Path.ChangeExtension(entry.FullName, null)!, entry =>
        {
            using var stream = entry.Open();
            using var memory = new MemoryStream();
            stream.CopyTo(memory);
            return Read(memory.ToArray(), $"{path}/{entry.FullName}");
        });
    }

    private static torch.Tensor Read(byte[] file, string name)
    {
        var wide = file[6] >= 2;
        var start = wide ? 12 : 10;
        var length = wide ? BitConverter.ToInt32(file, 8) : BitConverter.ToUInt16(file, 8);
        var header = System.Text.Encoding.ASCII.GetString(file, start, length);
        if (header.Contains("'fortran_order': True", StringComparison.Ordinal)) throw new InvalidDataException($"{name}: Fortran order.");
        var shape = Shape().Match(header).Groups[1].Value
            .Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Select(long.Parse).ToArray();
        var type = Type().Match(header).Groups[1].Value switch
        {
            "<f4" => torch.ScalarType.Float32,
            "<f8" => torch.ScalarType.Float64,
            "<f2" => torch.ScalarType.Float16,
            "<i8" => torch.ScalarType.Int64,
            "<i4" => torch.ScalarType.Int32,
            "|u1" => torch.ScalarType.Byte,
            "|b1" => torch.ScalarType.Bool,
            var other => throw new InvalidDataException($"{name}: type {other}."),
        };
        var tensor = torch.empty(shape, type);
        file.AsSpan(start + length).CopyTo(tensor.bytes);
        return tensor;
    }

    [GeneratedRegex(@"'shape': \(([^)]*)\)")] private static partial Regex Shape();

    [GeneratedRegex(@"'descr': '([^']*)'")] private static partial Regex Type();
}
