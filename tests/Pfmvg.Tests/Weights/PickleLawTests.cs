using System.Globalization;
using System.Numerics;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Pfmvg.Tests.Support;
using Pfmvg.Weights;
using Pfmvg.Weights.Loading;

namespace Pfmvg.Tests.Weights;

/// <summary>Laws of the pickle reader, over pickles that chance writes.</summary>
public sealed class PickleLawTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Plain_values_are_read_back_whichever_of_its_operations_wrote_them() => Check(PickleTexts.Values, value =>
    {
        using var file = Open([.. "}X\u0001\0\0\0v"u8, .. value.Pickle, (byte)'s', (byte)'.']);
        AssertSame(value.Meaning, file.Metadata["v"]);
    });

    [Fact]
    public void Any_row_of_operations_ends_in_plain_data_or_in_a_refusal_that_names_the_file() => Check(PickleTexts.Operations, pickle =>
    {
        try
        {
            using var file = Open(pickle);
            AssertPlain(file.Metadata, 0);
            WeightListing.ToText(file);
            foreach (var name in file.Tensors.Keys) file.Read(name).Dispose();
        }
        catch (InputException refused)
        {
            Assert.StartsWith(_folder.Path, refused.Message, StringComparison.Ordinal);
        }
    });

    [Fact]
    public void A_name_that_runs_code_is_refused_wherever_it_stands() => Check(PickleTexts.Hidden, hidden =>
        Assert.Contains($"asks for {hidden.Name}, which", Assert.Throws<InputException>(() => Open(hidden.Pickle)).Message,
            StringComparison.Ordinal));

    [Fact]
    public void Any_other_name_becomes_data_and_is_reported() => Check(PickleTexts.Foreign, foreign =>
    {
        using var file = Open([.. "}X\u0001\0\0\0vc"u8, .. Encoding.ASCII.GetBytes($"{foreign.Module}\n{foreign.Name}\n)Rs.")]);
        Assert.Equal($"{foreign.Module}.{foreign.Name}", file.Metadata["v"]);
    });

    [Fact]
    public void A_pickle_that_is_cut_is_refused() => Check(PickleTexts.Values, value =>
    {
        byte[] whole = [.. "}X\u0001\0\0\0v"u8, .. value.Pickle, (byte)'s', (byte)'.'];
        for (var length = 0; length < whole.Length; length += 1 + whole.Length / 20)
            Assert.Throws<InputException>(() => Open(whole[..length]));
    });

    private static void Check<T>(Gen<T> values, Action<T> law) =>
        Prop.ForAll(values.ToArbitrary(), law).Check(Config.QuickThrowOnFailure.WithMaxTest(300).WithReplay(20261127, 1));

    private ITensorFile Open(byte[] pickle)
    {
        var path = _folder.In("p.pth");
        File.WriteAllBytes(path, pickle);
        return WeightFile.Open(path);
    }

    /// <summary>What a value read from a pickle may be made of; anything else would have been made by the pickle's wish.</summary>
    private static void AssertPlain(object? value, int depth)
    {
        Assert.True(depth < 1000);
        switch (value)
        {
            case null or bool or long or double or string or BigInteger or byte[] or TensorInfo:
                break;
            case IReadOnlyDictionary<string, object?> pairs:
                foreach (var (_, inner) in pairs) AssertPlain(inner, depth + 1);
                break;
            case object?[] or List<object?>:
                foreach (var inner in (IEnumerable<object?>)value) AssertPlain(inner, depth + 1);
                break;
            default:
                Assert.Fail($"a pickle made a {value.GetType()}");
                break;
        }
    }

    private static void AssertSame(object? expected, object? actual)
    {
        switch (expected)
        {
            case List<object?> list:
                var items = Assert.IsType<List<object?>>(actual);
                Assert.Equal(list.Count, items.Count);
                for (var i = 0; i < list.Count; i++) AssertSame(list[i], items[i]);
                break;
            case object?[] tuple:
                var parts = Assert.IsType<object?[]>(actual);
                Assert.Equal(tuple.Length, parts.Length);
                for (var i = 0; i < tuple.Length; i++) AssertSame(tuple[i], parts[i]);
                break;
            case Dictionary<string, object?> pairs:
                var read = Assert.IsAssignableFrom<IReadOnlyDictionary<string, object?>>(actual);
                Assert.Equal(pairs.Keys.Order(StringComparer.Ordinal), read.Keys.Order(StringComparer.Ordinal));
                foreach (var (key, value) in pairs) AssertSame(value, read[key]);
                break;
            case BigInteger whole:
                Assert.Equal(whole, actual is long number ? number : Assert.IsType<BigInteger>(actual));
                break;
            default:
                Assert.Equal(expected, actual);
                break;
        }
    }
}

/// <summary>Pickles, written here without the program's own writer.</summary>
internal static class PickleTexts
{
    /// <summary>Some bytes that push a value, and the value.</summary>
    public sealed record Value(object? Meaning, byte[] Pickle)
    {
        public override string ToString() => Convert.ToHexString(Pickle);
    }

    private static readonly string[] Code =
        ["os.system", "posix.system", "builtins.eval", "builtins.exec", "subprocess.Popen", "torch.load", "pickle.loads", "runpy.run_path"];

    private static readonly Gen<string> Texts = Gen.Elements('a', 'Z', '0', ' ', '\'', '"', '\\', '\u00e9', '\u4e2d', '\t').ArrayOf()
        .Select(letters => new string(letters)).Where(text => text.Length < 200);

    private static readonly Gen<string> Words = Gen.Elements("abcxyz".ToCharArray()).NonEmptyListOf().Select(letters =>
        string.Concat(letters))
        .Where(word => word.Length < 40);

    /// <summary>Nested values, each written by one of the operations that can write it.</summary>
    public static Gen<Value> Values { get; } = Gen.Sized(size => Of(Math.Min(4, size / 12)));

    /// <summary>Operations in any order, known and unknown, with what they may carry.</summary>
    public static Gen<byte[]> Operations { get; } = Gen.OneOf(
            Gen.Elements(
                "}", "]", ")", "(", "t", "\u0085", "\u0086", "\u0087", "a", "e", "s", "u", "d", "l", "N", "\u0088", "R", "b", "o",
                "\u0081", "0",
                "1", "2", "q\0", "h\0", "\u0094", "Q", "\u0093", "\u008f", "\u0090", "\u0091", "\u0092", "X\u0001\0\0\0a", "K\u0001",
                "I1\n",
                "ccollections\nOrderedDict\n", "ctorch._utils\n_rebuild_tensor_v2\n", "ctorch\nFloatStorage\n", "ctorch\nSize\n", "ca\nb\n",
                "c_codecs\nencode\n", "c__builtin__\nset\n", "ctorch._utils\n_rebuild_parameter\n",
                "ctorch._tensor\n_rebuild_from_type_v2\n",
                "\u008c\u0007storage", "\u008c\u00010", "\u008c\u0003cpu", ".").Select(Encoding.Latin1.GetBytes),
            Gen.Choose(0, 255).Select(code => new[] { (byte)code }))
        .ListOf().Select(operations => (byte[])[.. "}"u8, .. operations.SelectMany(bytes => bytes), (byte)'.']);

    /// <summary>A name that runs code, within values and by each operation that names something.</summary>
    public static Gen<(string Name, byte[] Pickle)> Hidden { get; } =
        from code in Gen.Elements(Code)
        from before in Values
        from form in Gen.Choose(0, 2)
        let split = code.LastIndexOf('.')
        let module = code[..split]
        let name = code[(split + 1)..]
        let named = form switch
        {
            0 => $"c{module}\n{name}\n",
            1 => $"\u008c{(char)module.Length}{module}\u008c{(char)name.Length}{name}\u0093",
            _ => $"(i{module}\n{name}\n",
        }
        select (code, (byte[])[.. "}X\u0001\0\0\0v]"u8, .. before.Pickle, (byte)'a', .. Encoding.Latin1.GetBytes(named), .. "as."u8]);

    /// <summary>A name of nobody's module.</summary>
    public static Gen<(string Module, string Name)> Foreign { get; } =
        from module in Words
        from name in Words
        select ($"zz{module}", name);

    private static Gen<Value> Of(int depth) => depth == 0 ? Plain : Gen.OneOf(
        Plain, Sequence(depth - 1, '[', items => items), Sequence(depth - 1, '(', items => items.ToArray()), Table(depth - 1));

    private static Gen<Value> Plain { get; } = Gen.OneOf(
        Gen.Elements(new Value(null, "N"u8.ToArray()), new Value(true, [0x88]), new Value(false, [0x89]), new Value(true,
            "I01\n"u8.ToArray())),
        from small in Gen.Choose(0, 255)
        from form in Gen.Elements($"K{(char)small}", $"M{(char)small}\0", $"J{(char)small}\0\0\0", $"I{small}\n", $"L{small}L\n")
        select new Value((BigInteger)small, Encoding.Latin1.GetBytes(form)),
        from digits in Gen.Choose(int.MinValue, int.MaxValue).NonEmptyListOf()
        let number = digits.Take(6).Aggregate(BigInteger.Zero, (all, digit) => (all << 31) + digit)
        let bytes = number.ToByteArray()
        from form in Gen.Elements<byte[]>([0x8a, (byte)bytes.Length, .. bytes], [0x8b, (byte)bytes.Length, 0, 0, 0, .. bytes],
            Encoding.ASCII.GetBytes($"L{number}L\n"))
        select new Value(number, form),
        from real in Gen.Choose(int.MinValue, int.MaxValue).Select(whole => whole / 1024.0)
        from form in Gen.Elements<byte[]>([(byte)'G', .. BitConverter.GetBytes(real).Reverse()],
            Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"F{real:r}\n")))
        select new Value(real, form),
        from text in Texts
        let bytes = Encoding.UTF8.GetBytes(text)
        from form in Gen.Elements<byte[]>([(byte)'X', (byte)bytes.Length, (byte)(bytes.Length >> 8), 0, 0, .. bytes],
            [0x8d, (byte)bytes.Length, (byte)(bytes.Length >> 8), 0, 0, 0, 0, 0, 0, .. bytes])
        select new Value(text, form),
        from bytes in Gen.Choose(0, 255).Select(value => (byte)value).ArrayOf().Where(bytes => bytes.Length < 256)
        from form in Gen.Elements<byte[]>([(byte)'C', (byte)bytes.Length, .. bytes], [(byte)'B', (byte)bytes.Length, 0, 0, 0, .. bytes])
        select new Value(bytes, form));

    /// <summary>A list or a tuple: between marks, or item by item, or by the operations for short ones; remembered or not.</summary>
    private static Gen<Value> Sequence(int depth, char kind, Func<List<object?>, object> meaning) =>
        from items in Of(depth).ListOf().Where(items => items.Count < 12)
        from form in Gen.Choose(0, 1)
        from memo in Gen.Elements("", "q\u0007", "\u0094", "p7\n", "q\u0007h\u00070")
        let inner = items.SelectMany(item => item.Pickle)
        let pickle = (kind, form) switch
        {
            ('[', 0) => (byte[])[(byte)']', (byte)'(', .. inner, (byte)'e'],
            ('[', _) => [(byte)']', .. items.SelectMany(item => (byte[])[.. item.Pickle, (byte)'a'])],
            (_, 0) when items.Count is > 0 and < 4 => [.. inner, (byte)(0x84 + items.Count)],
            _ => [(byte)'(', .. inner, (byte)'t'],
        }
        select new Value(meaning([.. items.Select(item => item.Meaning)]), [.. pickle, .. Encoding.Latin1.GetBytes(memo)]);

    /// <summary>A dict: between marks, pair by pair, or an OrderedDict.</summary>
    private static Gen<Value> Table(int depth) =>
        from values in Of(depth).ListOf().Where(values => values.Count < 10)
        from form in Gen.Choose(0, 3)
        let pairs = values.Select((value, i) => (Key: $"k{i}", value)).ToList()
        let written = pairs.Select(pair => (byte[])[(byte)'X', 2, 0, 0, 0, .. Encoding.ASCII.GetBytes(pair.Key),
            .. pair.value.Pickle]).ToList()
        let all = written.SelectMany(pair => pair)
        let pickle = form switch
        {
            0 => (byte[])[(byte)'}', (byte)'(', .. all, (byte)'u'],
            1 => [(byte)'(', .. all, (byte)'d'],
            2 => [.. "ccollections\nOrderedDict\n)R("u8, .. all, (byte)'u'],
            _ => [(byte)'}', .. written.SelectMany(pair => (byte[])[.. pair, (byte)'s'])],
        }
        select new Value(pairs.ToDictionary(pair => pair.Key, pair => pair.value.Meaning), pickle);
}
