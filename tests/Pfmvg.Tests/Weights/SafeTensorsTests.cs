using System.Text;
using Pfmvg.Tests.Support;
using Pfmvg.Weights;
using Pfmvg.Weights.Loading;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Weights;

public sealed class SafeTensorsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(
        """{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"a":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}""", 4,
        "twice")]
    [InlineData("""{"a":{"dtype":"U8","dtype":"I8","shape":[4],"data_offsets":[0,4]}}""", 4, "twice")]
    [InlineData("""{"__metadata__":{"k":"1","k":"2"}}""", 0, "twice")]
    [InlineData("""{"__metadata__":{"k":1}}""", 0, "JSON")]
    [InlineData(
        """{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[1],"data_offsets":[3,4]}}""", 4,
        "belong to no tensor")]
    [InlineData("""{"a":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}""", 3, "belong to no tensor")]
    [InlineData("""{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}""", 3, "belong to no tensor")]
    [InlineData(
        """{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}""", 2,
        "inside the one before")]
    [InlineData("""{"a":{"dtype":"U8","shape":[-2],"data_offsets":[0,2]}}""", 2, "impossible shape")]
    [InlineData("""{"a":{"dtype":"U8","shape":[0,9223372036854775807,9223372036854775807],"data_offsets":[0,0]}}""", 0, "impossible shape")]
    [InlineData("""{"a":{"dtype":"U8","shape":[2.5],"data_offsets":[0,2]}}""", 2, "JSON")]
    [InlineData("""{"a":{"dtype":"U8","shape":2,"data_offsets":[0,2]}}""", 2, "JSON")]
    [InlineData("""{"a":{"dtype":"U8","shape":[2]}}""", 2, "lacks")]
    [InlineData("""{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2,2]}}""", 2, "lacks")]
    [InlineData("""{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2],"x":1}}""", 2, "unknown field")]
    [InlineData("""{"a":[[[[[[[[[[[[1]]]]]]]]]]]]}""", 0, "JSON")]
    [InlineData("""{"\ud800":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}""", 2, "JSON")]
    [InlineData("""[]          """, 0, "JSON")]
    [InlineData("""{}{}        """, 0, "JSON")]
    public void A_header_that_breaks_the_format_is_refused(string header, int data, string reason) =>
        Assert.Contains(reason, Assert.Throws<InputException>(() => Open(Encoding.UTF8.GetBytes(header), data)).Message,
            StringComparison.Ordinal);

    [Fact]
    public void Text_that_is_not_UTF8_is_refused() =>
        Assert.Throws<InputException>(() => Open(
            [.. "{\""u8, 0xFF, .. "\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}"u8], 2));

    [Fact]
    public void A_shape_with_endless_dimensions_is_refused() =>
        Assert.Throws<InputException>(() => Open(
            Encoding.UTF8.GetBytes(
                """{"a":{"dtype":"U8","shape":[""" + string.Join(',', Enumerable.Repeat(1, 65)) + """],"data_offsets":[0,1]}}"""), 1));

    [Fact]
    public void A_truth_value_other_than_0_and_1_is_refused_when_it_is_read()
    {
        using var file = Open("""{"a":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]}}"""u8.ToArray(), 2, fill: 7);
        Assert.Throws<InputException>(() => file.Read("a"));
    }

    [Theory]
    [InlineData("F8_E4M3", 2)]
    [InlineData("F8_E8M0", 2)]
    [InlineData("F4", 1)]
    [InlineData("F6_E2M3", 2)]
    [InlineData("U16", 4)]
    [InlineData("U32", 8)]
    [InlineData("U64", 16)]
    public void A_tensor_of_a_type_that_is_not_computed_with_harms_nothing_until_it_is_needed(string type, int bytes)
    {
        using var scope = NewDisposeScope();
        var header = $$$"""
            {"odd":{"dtype":"{{{type}}}","shape":[2],"data_offsets":[0,{{{bytes}}}]},
             "a":{"dtype":"U8","shape":[2],"data_offsets":[{{{bytes}}},{{{bytes + 2}}}]}}
            """;
        using var file = Open(Encoding.UTF8.GetBytes(header), bytes + 2);
        Assert.Equal("a", Assert.Single(file.Tensors.Keys));
        Assert.Equal([1, 1], file.Read("a").data<byte>().ToArray());
        Assert.Equal("odd", Assert.Single(file.Unreadable.Keys));
        Assert.Contains($"not read: odd has the type {type}", WeightListing.ToText(file), StringComparison.Ordinal);
        var message = Assert.Throws<InputException>(() => WeightLoader.Load(
            new Dictionary<string, Tensor> { ["odd"] = zeros(2) }, file, name => name, LoadRules.WhatIsThere)).Message;
        Assert.Contains($"the tensor 'odd' has the type {type}", message, StringComparison.Ordinal);
    }

    [Theory, InlineData("Q3_K", 2), InlineData("F8_E4M3", 3), InlineData("F", 2), InlineData("F0", 0), InlineData("U16", 2)]
    public void A_type_that_the_format_has_not_or_another_number_of_bytes_is_refused(string type, int bytes) =>
        Assert.Contains("the tensor 'odd'", Assert.Throws<InputException>(() => Open(Encoding.UTF8.GetBytes(
            $$$"""{"odd":{"dtype":"{{{type}}}","shape":[2],"data_offsets":[0,{{{bytes}}}]}}"""), bytes)).Message, StringComparison.Ordinal);

    [Fact]
    public void A_file_that_shrinks_while_it_is_open_is_refused()
    {
        using var file = Open("""{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}"""u8.ToArray(), 2);
        using (var stream = new FileStream(file.Path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
            stream.SetLength(stream.Length - 1);
        Assert.Contains("ended", Assert.Throws<InputException>(() => file.Read("a")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Names_and_metadata_of_any_characters_survive()
    {
        using var scope = NewDisposeScope();
        var path = _folder.In("x.safetensors");
        SafeTensors.Write(path, new Dictionary<string, Tensor> { ["Lunge \"links\" \n\u00e9"] = tensor(1f) }, new Dictionary<string,
            string> { ["\u03b1"] = "\t\u2028" });
        using var file = WeightFile.Open(path);
        Assert.Equal("Lunge \"links\" \n\u00e9", Assert.Single(file.Tensors.Keys));
        Assert.Equal("\t\u2028", file.Metadata["\u03b1"]);
        Assert.DoesNotContain(file.Tensors.Keys.Single(), WeightListing.ToText(file), StringComparison.Ordinal); // not on a terminal
    }

    [Fact]
    public void Tensors_are_aligned_to_their_own_type()
    {
        using var scope = NewDisposeScope();
        var path = _folder.In("x.safetensors");
        SafeTensors.Write(path, new Dictionary<string,
            Tensor> { ["a"] = ones(3, ScalarType.Byte), ["b"] = ones(5, ScalarType.Float16), ["c"] = ones(1, ScalarType.Float64) });
        var bytes = File.ReadAllBytes(path);
        Assert.Equal(0, BitConverter.ToInt64(bytes) % 8);
        using var file = WeightFile.Open(path);
        Assert.Equal(["c", "b", "a"], file.Tensors.Keys);
    }

    [Fact]
    public void A_failed_write_leaves_the_old_file_and_nothing_else()
    {
        using var scope = NewDisposeScope();
        var path = _folder.In("x.safetensors");
        SafeTensors.Write(path, new Dictionary<string, Tensor> { ["a"] = ones(3) });
        var before = File.ReadAllBytes(path);
        TensorInfo[] plan = [TensorInfo.Describe("a", ScalarType.Float32, 3), TensorInfo.Describe("b", ScalarType.Float32, 3)];
        Assert.Throws<ArgumentException>(() => SafeTensors.Write(path, plan, info => info.Name == "a" ? ones(3) : ones(4)));
        Assert.Equal(before, File.ReadAllBytes(path));
        Assert.Single(Directory.GetFileSystemEntries(_folder.Path));
    }

    private ITensorFile Open(byte[] header, int data, byte fill = 1)
    {
        var path = _folder.In("x.safetensors");
        File.WriteAllBytes(path, [.. BitConverter.GetBytes((long)header.Length), .. header, .. Enumerable.Repeat(fill, data)]);
        return WeightFile.Open(path);
    }
}
