using System.IO.Compression;
using System.Text;
using System.Text.Json.Nodes;
using Pfmvg.Tests.Support;
using Pfmvg.Weights;
using Pfmvg.Weights.Loading;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Weights;

/// <summary>Values that checkpoints hold beside their weights, pickled by Python in every protocol (Written/foreign.py).</summary>
public sealed class ForeignPickleTests : IDisposable
{
    private static readonly JsonObject Kinds = JsonNode.Parse(File.ReadAllText(
        Path.Combine(Fixtures.Repository, "tests", "Pfmvg.Tests", "Weights", "Written", "foreign.json")))!.AsObject();

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    public static TheoryData<string, int> Pickles => new(
        Kinds.Where(kind => kind.Key != "tensors").SelectMany(kind => Enumerable.Range(0, 6)
            .Where(protocol => kind.Value!["pickles"]![protocol] is not null).Select(protocol => (kind.Key, protocol))));

    [Theory]
    [MemberData(nameof(Pickles))]
    public void A_foreign_value_is_kept_as_a_placeholder_and_harms_nothing(string kind, int protocol)
    {
        using var file = Open(Convert.FromBase64String(Kinds[kind]!["pickles"]![protocol]!.GetValue<string>()));
        Assert.Equal(3L, file.Metadata["epoch"]);
        Assert.Contains("args", file.Metadata.Keys);
        if (Kinds[kind]!["names"] is JsonArray names)
            foreach (var name in names.Select(name => name!.GetValue<string>()))
                Assert.Contains(file.ForeignNames, known => known == name || known.EndsWith("." + name, StringComparison.Ordinal));
        Assert.NotEmpty(WeightListing.ToText(file));
        Assert.NotNull(WeightListing.ToJson(file));
    }

    public static TheoryData<string, int> Tensors => new(
        Kinds["tensors"]!.AsObject().SelectMany(form => Enumerable.Range(0, 4).Select(index => (form.Key, index))));

    [Theory]
    [MemberData(nameof(Tensors))]
    public void Weights_in_any_form_are_read_or_refused_by_what_they_are(string form, int index)
    {
        using var scope = NewDisposeScope();
        var (right, pickle) = (Kinds["tensors"]![form]!["right"]!.GetValue<string>(), Kinds["tensors"]![form]!["pickles"]![index]!);
        var path = _folder.In("x.pth");
        using (var zip = ZipFile.Open(path, ZipArchiveMode.Create))
        {
            Add("x/data.pkl", Convert.FromBase64String(pickle.GetValue<string>()));
            foreach (var storage in new[] { "0", "1" })
                Add($"x/data/{storage}", [.. new[] { 1f, 2, 3, 4 }.SelectMany(BitConverter.GetBytes)]);

            void Add(string name, byte[] content)
            {
                using var stream = zip.CreateEntry(name, CompressionLevel.NoCompression).Open();
                stream.Write(content);
            }
        }

        var target = zeros(2, 2);
        if (right.StartsWith('!'))
        {
            Assert.Contains(right[2..], Assert.Throws<InputException>(Load).Message, StringComparison.Ordinal);
            return;
        }

        Assert.Equal([right], Load().Loaded);
        Assert.Equal([1f, 2, 3, 4], target.data<float>().ToArray());

        LoadReport Load()
        {
            using var file = WeightFile.Open(path);
            Assert.NotEmpty(WeightListing.ToText(file));
            Assert.NotNull(WeightListing.ToJson(file));
            return WeightLoader.Load(new Dictionary<string, Tensor> { ["w"] = target }, file, name => name, LoadRules.All);
        }
    }

    [Theory]
    [InlineData("numbers")]
    [InlineData("text")]
    public void Plain_values_are_the_same_in_every_protocol(string kind)
    {
        string?[] all = [.. Enumerable.Range(0, 6).Select(protocol =>
        {
            using var file = Open(Convert.FromBase64String(Kinds[kind]!["pickles"]![protocol]!.GetValue<string>()));
            Assert.Empty(file.ForeignNames);
            return WeightListing.ToJson(file)["metadata"]!["args"]!.ToJsonString();
        })];
        Assert.Single(all.Distinct());
    }

    [Fact]
    public void A_placeholder_shows_its_class_arguments_and_state()
    {
        using var file = Open(Convert.FromBase64String(Kinds["argparse.Namespace"]!["pickles"]![2]!.GetValue<string>()));
        Assert.Equal("""{"class":"argparse.Namespace","state":{"lr":0.0001,"out":"runs/a"}}""",
            WeightListing.ToJson(file)["metadata"]!["args"]!.ToJsonString());
    }

    [Theory]
    [InlineData("os", "system")]
    [InlineData("posix", "_exit")]
    [InlineData("nt", "startfile")]
    [InlineData("subprocess", "Popen")]
    [InlineData("commands", "Popen")]
    [InlineData("urllib", "urlopen")]
    [InlineData("sys", "modules")]
    [InlineData("builtins", "eval")]
    [InlineData("builtins", "exec")]
    [InlineData("__builtin__", "getattr")]
    [InlineData("builtins", "open")]
    [InlineData("builtins", "__import__")]
    [InlineData("builtins", "compile")]
    [InlineData("importlib", "import_module")]
    [InlineData("runpy", "run_path")]
    [InlineData("shutil", "rmtree")]
    [InlineData("socket", "create_connection")]
    [InlineData("pty", "spawn")]
    [InlineData("ctypes", "CDLL")]
    [InlineData("operator", "attrgetter")]
    [InlineData("_operator", "methodcaller")]
    [InlineData("pickle", "loads")]
    [InlineData("marshal", "loads")]
    [InlineData("code", "interact")]
    [InlineData("webbrowser", "open")]
    [InlineData("torch.hub", "load")]
    [InlineData("torch", "load")]
    [InlineData("torch.storage", "_load_from_bytes")]
    [InlineData("numpy.testing._private.utils", "runstring")]
    [InlineData("random", "_os.system")]
    [InlineData("project.config", "Own.__init__.__globals__")]
    public void A_name_that_runs_code_is_refused_anywhere_even_when_it_is_not_called(string module, string name)
    {
        string[] places =
        [
            $"}}X\u0001\0\0\0ac{module}\n{name}\ns.",                                                    // a value
            $"cargparse\nNamespace\n(c{module}\n{name}\ntR0}}.",                                         // an argument, thrown away
            $"c{module}\n{name}\n0}}.",                                                                  // never used
            $"}}X\u0001\0\0\0a\u008c{(char)module.Length}{module}\u008c{(char)name.Length}{name}\u0093s.", // STACK_GLOBAL
            $"(X\u0002\0\0\0idi{module}\n{name}\n0}}.",                                                  // INST
        ];
        foreach (var place in places)
            Assert.Contains($"asks for {module}.{name}, which",
                Assert.Throws<InputException>(() => Open([0x80, 2, .. Encoding.Latin1.GetBytes(place)])).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\u0082\u0001.")]                                                                       // EXT1
    [InlineData("}X\u0001\0\0\0a(X\u0005\0\0\0thinkX\u0001\0\0\0btQs.")]                                // a persistent id of another kind
    [InlineData("cargparse\nNamespace\n.")]
    [InlineData("cargparse\nNamespace\n)\u0081}X\u0001\0\0\0aK\u0001sb.")]
    [InlineData("ctorch._tensor\n_rebuild_from_type_v2\nq\0(h\0ctorch\nTensor\n(h\0ctorch\nTensor\n)}tR}tR.")] // a type in a type
    public void Operations_that_no_checkpoint_needs_and_files_of_one_foreign_value_are_refused(string operations) =>
        Assert.Throws<InputException>(() => Open([0x80, 2, .. Encoding.Latin1.GetBytes(operations)]));

    private ITensorFile Open(byte[] pickle)
    {
        var path = _folder.In("bare.pth");
        File.WriteAllBytes(path, pickle);
        return WeightFile.Open(path);
    }
}
