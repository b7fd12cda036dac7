using System.Text.RegularExpressions;
using Pfmvg.Configuration;
using Pfmvg.Models;
using Pfmvg.Tests.Support;
using TorchSharp;

namespace Pfmvg.Tests.Models;

public sealed partial class FullSizeTests : IDisposable
{
    private readonly GroundingModel _model = new(
        ConfiguredModel.Sizes(ConfigurationFile.Load(Path.Combine(Fixtures.Repository, "configs", "pfmvg-7b.yaml"), []).Model),
        torch.ScalarType.BFloat16, torch.META);

    [Fact]
    public void The_7B_configuration_has_the_names_and_shapes_of_the_published_weights()
    {
        var expected = File.ReadLines(Path.Combine(Fixtures.Repository, "tests", "Pfmvg.Tests", "Models", "full-size-tensors.txt"))
            .Where(line => !line.StartsWith('#')).SelectMany(Expand).Order(StringComparer.Ordinal);
        var actual = _model.named_parameters().Concat(_model.named_buffers().Select(b => (b.name, (TorchSharp.Modules.Parameter)b.buffer)))
            .Select(p => $"{p.Item1} {string.Join('x', p.Item2.shape)}").Order(StringComparer.Ordinal);
        Assert.Equal(expected, actual);

        static IEnumerable<string> Expand(string line) => Repeat().Match(line) is { Success: true } match
            ? Enumerable.Range(0, int.Parse(match.Groups[1].Value)).Select(i => line.Replace(match.Value, $"{i}"))
            : [line];
    }

    [Fact]
    public void The_7B_configuration_has_the_published_parameter_counts()
    {
        var parameters = _model.named_parameters().ToList();
        Assert.Equal(6_738_415_616, Count("llama_model.", lora: false));
        Assert.Equal(33_554_432, Count("llama_model.", lora: true));
        Assert.Equal(23_072_768, Count("llama_proj.", lora: false));
        Assert.Equal(33_554_432 + 23_072_768, _model.Trainables().Sum(t => t.Parameter.numel()));

        long Count(string prefix, bool lora) => parameters
            .Where(p => p.name.StartsWith(prefix, StringComparison.Ordinal) && p.name.Contains(".lora_", StringComparison.Ordinal) == lora)
                .Sum(p => p.parameter.numel());
    }

    [Fact]
    public void Only_projector_and_adapters_are_trained_and_they_are_float32()
    {
        foreach (var (name, parameter) in _model.named_parameters())
        {
            var trained = name.StartsWith("llama_proj.", StringComparison.Ordinal) || name.Contains(".lora_", StringComparison.Ordinal);
            Assert.Equal(trained, parameter.requires_grad);
            Assert.Equal(trained || name.StartsWith("ln_vision.", StringComparison.Ordinal)
                ? torch.ScalarType.Float32 : torch.ScalarType.BFloat16, parameter.dtype);
        }
    }

    public void Dispose() => _model.Dispose();

    [GeneratedRegex(@"\{i:(\d+)\}")] private static partial Regex Repeat();
}
