using System.Diagnostics;
using System.IO.Compression;
using System.Text;
using Pfmvg.Tests.Support;
using Pfmvg.Weights;
using Pfmvg.Weights.Loading;

namespace Pfmvg.Tests.Weights;

/// <summary>Pickles made by hand: everything plain is read, what runs code is refused by its name.</summary>
public sealed class PickleTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("cposix\nsystem\n.", "posix.system")]
    [InlineData("cbuiltins\neval\n.", "builtins.eval")]
    [InlineData("ctorch\nload\n.", "torch.load")]
    [InlineData("\u008c\u0005posix\u008c\u0006system\u0093.", "posix.system")]     // STACK_GLOBAL
    [InlineData("(X\u0004\0\0\0idleiposix\nsystem\n.", "posix.system")]              // INST
    public void A_name_that_runs_code_is_refused_by_that_name(string operations, string name) =>
        Assert.Contains($"asks for {name}, which", Refused(operations), StringComparison.Ordinal);

    [Theory]
    [InlineData("ctorch.nn.modules.linear\nLinear\n.", "torch.nn.modules.linear.Linear")]
    [InlineData("ctorch\nFloatStorage.evil\n.", "torch.FloatStorage.evil")]
    [InlineData("ccollections\nOrderedDict\u001b[31m\n.", "collections.OrderedDict\\u001b[31m")]
    public void A_file_that_holds_nothing_but_a_foreign_value_is_refused_by_its_name(string operations, string name) =>
        Assert.Contains($"one value of the class {name}, not weights", Refused(operations), StringComparison.Ordinal);

    [Theory]
    [InlineData("ccollections\nOrderedDict\nX\u0001\0\0\0a\u0085R.")]               // not pairs
    [InlineData("ctorch._utils\n_rebuild_tensor_v2\n)R.")]
    [InlineData("ctorch._utils\n_rebuild_parameter\n}\u0088}\u0087R.")]
    [InlineData("ctorch\nFloatStorage\n)R.")]
    [InlineData("X\u0001\0\0\0a)R.")]                                               // calling text
    [InlineData("]}b.")]                                                            // attributes of a list
    [InlineData("X\u0001\0\0\0aQ.")]
    [InlineData("(X\u0007\0\0\0storagectorch\nFloatStorage\nX\u0001\0\0\00X\u0003\0\0\0cpuK\u0001tQ.")]  // a storage outside
    [InlineData("}\u0093.")]
    [InlineData("ccollections\nOrderedDict\n.")]                                    // a name as content
    [InlineData("}(K\u0001u.")]
    [InlineData("t.")]
    [InlineData("(.")]
    [InlineData("h\u0005.")]
    [InlineData("}")]
    [InlineData("X\u00ff\u00ff\u00ff\u007fa.")]
    [InlineData("\u008b\u00ff\u00ff\u00ff\u007fa.")]
    [InlineData("\u0082\u0001.")]                                                   // EXT1
    [InlineData("Ppid\n.")]                                                         // PERSID
    [InlineData("}.}")]
    public void Broken_or_unusual_operations_are_refused(string operations) => Refused(operations);

    [Fact]
    public void Plain_containers_numbers_text_and_bytes_are_read()
    {
        using var file = Open(
            "}(X\u0001\0\0\0a]q\u0001(K\u0007J\u00ff\u00ff\u00ff\u00ffM\u0000\u0001e"
            + "X\u0001\0\0\0bG\u003f\u00f8\0\0\0\0\0\0X\u0001\0\0\0cN\u0088\u0089\u0087"
            + "X\u0001\0\0\0dccollections\nOrderedDict\n)R}X\u0009\0\0\0_metadata}sbK\u0003X\u0001\0\0\0xs"
            + "X\u0001\0\0\0ec_codecs\nencode\nX\u0003\0\0\0\u0001\u00c3\u00bfX\u0006\0\0\0latin1\u0086R"
            + "X\u0001\0\0\0fc__builtin__\nset\n](K\u0001e\u0085RX\u0001\0\0\0g\u008a\u0009\0\0\0\0\0\0\0\0\u0001"
            + "X\u0001\0\0\0hctorch\nSize\n(K\u0002K\u0003t\u0085RX\u0001\0\0\0ih\u0001u.");
        Assert.Empty(file.Tensors);
        var data = file.Metadata;
        Assert.Equal([7L, -1L, 256L], Assert.IsType<List<object?>>(data["a"]));
        Assert.Equal(1.5, data["b"]);
        Assert.Equal([null, true, false], Assert.IsType<object?[]>(data["c"]));
        Assert.Equal("x", Assert.IsAssignableFrom<IReadOnlyDictionary<string, object?>>(data["d"])["3"]);
        Assert.Equal([1, 255], Assert.IsType<byte[]>(data["e"]));
        Assert.Equal([1L], Assert.IsType<List<object?>>(data["f"]));
        Assert.Equal(System.Numerics.BigInteger.One << 64, data["g"]);
        Assert.Equal([2L, 3L], Assert.IsType<object?[]>(data["h"]));
        Assert.Equal([7L, -1L, 256L], Assert.IsType<List<object?>>(data["i"]));
    }

    public static TheoryData<string> Bombs =>
        ["itself", "doubling", "deep", "empty dictionaries", "copies", "long key", "same key", "marks", "memo", "huge",
            "names", "placeholders", "placeholders in a circle", "deep placeholders", "types"];

    [Theory]
    [MemberData(nameof(Bombs))]
    public void A_small_pickle_that_stands_for_endless_data_is_refused_soon(string kind)
    {
        const string longText = "X\0\0\u0010\0"; // 1 MiB follows
        var filler = new string('k', 1 << 20);
        var operations = kind switch
        {
            "itself" => "}X\u0001\0\0\0a]q\0h\0as.",
            "doubling" => "}X\u0001\0\0\0a]" + string.Concat(Enumerable.Range(0, 40).Select(_ => "q\0]h\0ah\0a")) + "s.",
            "deep" => "}X\u0001\0\0\0a" + new string(']', 100_000) + new string('a', 99_999) + "s.",
            "empty dictionaries" => "(" + new string('}', 8_000_000) + "l.",
            "copies" => longText + filler + "q\0" + string
                .Concat(Enumerable.Repeat("c_codecs\nencode\nh\0X\u0006\0\0\0latin1\u0086R0", 5_000)) + "}.",
            "long key" => longText + filler + "q\0}(" + string.Concat(Enumerable.Repeat("h\0N", 400_000)) + "u.",
            "same key" => "}(X\u0001\0\0\0a](}q\0(" + string.Concat(Enumerable.Repeat("K\u0001N", 200_000)) + "u" + string
                .Concat(Enumerable.Repeat("h\0", 200_000)) + "eu.",
            "marks" => new string('(', 8_000_000) + ".",
            "memo" => "N" + new string('\u0094', 8_000_000) + ".",
            "names" => string.Concat(Enumerable.Range(0, 1_100_000).Select(i => $"c{i:x}\na\n0")) + "}.",
            "placeholders" => "}X\u0001\0\0\0a](ca\nb\nq\0" + string.Concat(Enumerable.Repeat("h\0(K\u0001tR", 400_000)) + "es.",
            "placeholders in a circle" => "}X\u0001\0\0\0a](ca\nb\n)Rq\0" + string.Concat(Enumerable.Repeat("h\0", 2_000_000))
                + "h\0bes.",
            "deep placeholders" => "}X\u0001\0\0\0a" + "ca\nb\nq\0)R" + string.Concat(Enumerable.Repeat("q\u0001h\0h\u0001\u0085R",
                600_000)) + "s.",
            "types" => "ctorch._tensor\n_rebuild_from_type_v2\nq\0ctorch\nTensor\nq\u0001("
                + string.Concat(Enumerable.Repeat("(h\0h\u0001", 100_000)) + string.Concat(Enumerable.Repeat("}t", 100_000)) + "h\0tR.",
            "huge" => "]" + new string('N', 17 << 20),
            _ => throw new ArgumentException(kind),
        };
        var clock = Stopwatch.StartNew();
        var before = GC.GetAllocatedBytesForCurrentThread();
        Refused(operations);
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(3), $"took {clock.Elapsed}");
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 600 << 20);
    }

    [Theory]
    [InlineData(6, 0, "4", "1")]           // ends exactly with the storage
    [InlineData(2, 0, "3 2", "0 1")]       // a stride of 0 repeats
    [InlineData(6, 5, "2 1", "0 9")]       // the stride of a single element does not matter
    public void A_view_inside_its_storage_is_read(int elements, int offset, string shape, string strides)
    {
        using var file = WeightFile.Open(View(elements, elements, offset, shape, strides));
        using var tensor = file.Read("w");
        var (sizes, steps) = (Numbers(shape), Numbers(strides));
        var expected = Enumerable.Range(0, (int)sizes.Aggregate(1L, (a, b) => a * b)).Select(index =>
        {
            var at = (long)offset;
            for (var d = sizes.Length - 1; d >= 0; d--)
            {
                at += index % sizes[d] * steps[d];
                index /= (int)sizes[d];
            }

            return (float)at;
        });
        Assert.Equal(expected, tensor.data<float>().ToArray());
    }

    [Theory]
    [InlineData(6, 6, 3, "4", "1")]                        // one beyond the end
    [InlineData(6, 6, -1, "2", "1")]
    [InlineData(6, 6, 5, "2", "-1")]
    [InlineData(6, 6, 0, "2 3", "1")]
    [InlineData(6, 6, 0, "1000000 1000000", "0 0")]        // larger than the file
    [InlineData(6, 6, 0, "2 2", "2000000000 2000000000")]
    [InlineData(6, 5, 0, "1", "1")]                        // the record is shorter than it claims
    [InlineData(-1, 6, 0, "0", "1")]
    [InlineData(6, 6, 0, "-1", "1")]
    public void A_view_that_leaves_its_storage_is_refused(int elements, int real, int offset, string shape, string strides) =>
        Assert.Throws<InputException>(() => WeightFile.Open(View(elements, real, offset, shape, strides)));

    [Fact]
    public void A_deflated_archive_gives_the_same_tensors()
    {
        using var archive = new Archive(_folder.In("deflated.pth"));
        using var original = WeightFile.Open(Fixtures.Path("weights", "odd_storages.pth"));
        using (var zip = ZipFile.OpenRead(Fixtures.Path("weights", "odd_storages.pth")))
            foreach (var entry in zip.Entries) archive.Add(entry.FullName, Bytes(entry), CompressionLevel.SmallestSize);
        using var file = WeightFile.Open(archive.Close());
        TestTensors.AssertSameWeights(original, file);

        static byte[] Bytes(ZipArchiveEntry entry)
        {
            using var stream = entry.Open();
            using var memory = new MemoryStream();
            stream.CopyTo(memory);
            return memory.ToArray();
        }
    }

    [Theory]
    [InlineData("archive/byteorder", "big")]
    [InlineData("archive/../x", "")]
    [InlineData("/x", "")]
    [InlineData("a\\b", "")]
    [InlineData("other/data.pkl", "")]
    [InlineData("archive/data.pkl", "}.")]                  // twice
    public void An_archive_that_torch_would_not_write_is_refused(string name, string content)
    {
        using var archive = new Archive(_folder.In("strange.pth"));
        archive.Add("archive/data.pkl", Latin("\u0080\u0002}."));
        archive.Add(name, Latin(content));
        Assert.Throws<InputException>(() => WeightFile.Open(archive.Close()));
    }

    private static long[] Numbers(string text) => [.. text.Split(' ').Select(long.Parse)];

    private static byte[] Latin(string text) => Encoding.Latin1.GetBytes(text);

    private static string Integer(long value) => "J" + Encoding.Latin1.GetString(BitConverter.GetBytes((int)value));

    private string View(long elements, int real, long offset, string shape, string strides)
    {
        using var archive = new Archive(_folder.In("view.pth"));
        archive.Add("archive/data.pkl", Latin(
            "\u0080\u0002}X\u0001\0\0\0wctorch._utils\n_rebuild_tensor_v2\n((X\u0007\0\0\0storage"
            + "ctorch\nFloatStorage\nX\u0001\0\0\0" + "0X\u0003\0\0\0cpu"
            + $"{Integer(elements)}tQ{Integer(offset)}"
            + $"({string.Concat(Numbers(shape).Select(Integer))}t({string.Concat(Numbers(strides).Select(Integer))}t"
            + "\u0089ccollections\nOrderedDict\n)RtRs."));
        archive.Add("archive/data/0", Enumerable.Range(0, real).SelectMany(value => BitConverter.GetBytes((float)value)).ToArray());
        return archive.Close();
    }

    private ITensorFile Open(string operations)
    {
        var path = _folder.In("bare.pth");
        File.WriteAllBytes(path, [0x80, 2, .. Latin(operations)]);
        return WeightFile.Open(path);
    }

    private string Refused(string operations) => Assert.Throws<InputException>(() => Open(operations)).Message;

    /// <summary>A zip file under construction.</summary>
    private sealed class Archive(string path) : IDisposable
    {
        private readonly ZipArchive _zip = ZipFile.Open(path, ZipArchiveMode.Create);

        public void Add(string name, byte[] content, CompressionLevel level = CompressionLevel.NoCompression)
        {
            using var stream = _zip.CreateEntry(name, level).Open();
            stream.Write(content);
        }

        public string Close()
        {
            _zip.Dispose();
            return path;
        }

        public void Dispose() => _zip.Dispose();
    }
}
