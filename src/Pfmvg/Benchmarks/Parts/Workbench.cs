using System.Globalization;
using Pfmvg.Configuration;
using Pfmvg.Distributed;
using Pfmvg.Models;
using Pfmvg.Text;
using TorchSharp;
using static TorchSharp.torch;

namespace Pfmvg.Benchmarks.Parts;

/// <summary>What all parts share: sizes, device, limits, rounds, and made-up inputs of the usual lengths.</summary>
/// <param name="configuration">Sizes, types and device.</param>
/// <param name="world">The processes that measure at the same time.</param>
/// <param name="rounds">Times the parts.</param>
internal sealed class Workbench(PfmvgConfiguration configuration, ICommunicator world, Rounds rounds) : IDisposable
{
    private const int BeforePicture = 4; // tokens of the prompt

    public PfmvgConfiguration Configuration => configuration;

    public ICommunicator World => world;

    public Rounds Rounds => rounds;

    public GroundingConfig Sizes { get; } = ConfiguredModel.Sizes(configuration.Model, TypicalLengths.Vocabulary);

    public ScalarType Type { get; } = ConfiguredModel.Type(configuration.Precision);

    public Device Device { get; } = ConfiguredModel.Device(configuration.Device, world.LocalRank);

    public ModelFlops Flops => field ??= new ModelFlops(Sizes);

    public MachineLimits Limits => field ??= new MachineLimits(Device);

    /// <summary>Positions of a prompt as long as a whole sample with a box answer.</summary>
    public long PromptPositions => Sizes.VisualTokens + TypicalLengths.Prompt + TypicalLengths.Box;

    /// <summary>The machine's products in the shape of the language model's layers.</summary>
    public Limit LayerProducts(long rows) => Limits.Products(Type, rows, Sizes.Language.HiddenSize, Sizes.Language.IntermediateSize);

    /// <summary>(rows, length) token ids with a picture near the front.</summary>
    public Tensor Ids(int rows, long length)
    {
        var row = Enumerable.Range(0, (int)length).Select(i => i is >= BeforePicture && i < BeforePicture + Sizes.VisualTokens
            ? GroundingModel.ImageToken : i % Sizes.Language.VocabularySize);
        return tensor([.. Enumerable.Repeat(row, rows).SelectMany(r => r)], [rows, length], device: Device);
    }

    /// <summary>One prompt, <paramref name="rows"/> times.</summary>
    public List<IReadOnlyList<int>> Prompts(int rows)
    {
        using var ids = Ids(1, PromptPositions);
        int[] prompt = [.. ids.cpu().data<long>().Select(id => (int)id)];
        return [.. Enumerable.Repeat(prompt, rows)];
    }

    /// <summary>(rows, N, V) random vision features.</summary>
    public Tensor Features(int rows) => randn(rows, Sizes.VisualTokens, Sizes.FeatureWidth, device: Device);

    /// <summary>Waits for the device.</summary>
    public void Synchronize()
    {
        if (Device.type == DeviceType.CUDA) cuda.synchronize();
    }

    /// <summary>A name in the folder that no other file has.</summary>
    public static string TemporaryPath(string folder)
    {
        var path = Path.Combine(folder, $"pfmvg-bench-{Guid.NewGuid():N}");
        Leftovers.Add(path);
        return path;
    }

    /// <summary>A text with numbers as the invariant culture writes them.</summary>
    public static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    public void Dispose() => Limits.Dispose();
}
