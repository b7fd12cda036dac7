using Pfmvg.Imaging;
using Pfmvg.Models;
using Pfmvg.Pretraining.Scenes;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Pfmvg.Pretraining;

/// <summary>
/// The weights before the first step, as a function of (seed, name). Two of them spare the vision tower from learning what a
/// picture is: the patch embedding starts as cosine waves, lowest frequencies first, scaled to equal strength on scenes, and the
/// position embedding as sines and cosines of row and column.
/// </summary>
internal static class StartValues
{
    private const int MeasuredScenes = 200, MeasuredObjects = 3;
    private const double Strength = 0.5; // standard deviation of a patch's features, and amplitude of a position's

    /// <summary>Fills a parameter: norms with 1, biases with 0, matrices by their width, and less for the outputs of blocks.</summary>
    public static void Fill(string name, Parameter parameter, GroundingConfig config, long seed)
    {
        using var quiet = no_grad();
        using var scope = NewDisposeScope();
        switch (name)
        {
            case $"{ParameterNames.VisionTower}.patch_embed.proj.weight": FillWithWaves(parameter, config.Vision, seed); return;
            case ParameterNames.PositionEmbedding: FillWithPlaces(parameter, config.Vision); return;
        }

        if (parameter.dim() < 2)
        {
            if (ParameterNames.IsNormWeight(name)) parameter.fill_(1);
            else parameter.zero_();
            return;
        }

        var fanIn = parameter.shape[1..].Aggregate(1L, (product, size) => product * size);
        var deviation = name switch
        {
            _ when name.EndsWith("embed_tokens.weight", StringComparison.Ordinal) => 0.5,
            $"{ParameterNames.VisionTower}.cls_token" or $"{ParameterNames.Language}.lm_head.weight" => 0.02,
            _ when name.Contains(ParameterNames.Down, StringComparison.Ordinal)
                || name.Contains(ParameterNames.AttentionOutput, StringComparison.Ordinal) =>
                0.5 / Math.Sqrt(fanIn * config.Language.Layers),
            _ when name.Contains("fc2", StringComparison.Ordinal) || name.Contains("attn.proj", StringComparison.Ordinal) =>
                0.5 / Math.Sqrt(fanIn * config.Vision.Depth),
            _ => 0.8 / Math.Sqrt(fanIn),
        };
        using var generator = new Generator(new CounterRandom(seed, "pre-training weights " + name).NextBits(), CPU);
        parameter.copy_(empty(parameter.shape, ScalarType.Float32, CPU).normal_(0, deviation, generator));
    }

    /// <summary>
    /// (V, 3, p, p): the V lowest frequencies of the discrete cosine transform, the same in all colours. Filters beyond p*p start
    /// at zero.
    /// </summary>
    private static void FillWithWaves(Parameter parameter, EvaConfig config, long seed)
    {
        var (patch, side) = (config.PatchSize, config.ImageSize);
        var frequencies = Enumerable.Range(0, patch * patch).Select(i => (X: i % patch, Y: i / patch)).OrderBy(f => f.X * f.X + f.Y * f.Y)
            .Take(config.Width).ToArray();
        var waves = new float[config.Width * 3 * patch * patch];
        for (var i = 0; i < frequencies.Length * 3 * patch * patch; i++)
        {
            var ((u, v), x, y) = (frequencies[i / (3 * patch * patch)], i % patch, i / patch % patch);
            waves[i] = (float)(Math.Cos(Math.PI * (x + 0.5) * u / patch) * Math.Cos(Math.PI * (y + 0.5) * v / patch) / 3);
        }

        parameter.copy_(tensor(waves, parameter.shape));
        var images = new float[MeasuredScenes * 3 * side * side];
        for (var i = 0; i < MeasuredScenes; i++)
            ImageTransform.Normalise(SceneSampler.Sample(seed, "start values", i, side, MeasuredObjects).Pixels, 1,
                images.AsSpan(i * 3 * side * side, 3 * side * side));
        var seen = nn.functional.conv2d(tensor(images, [MeasuredScenes, 3, side, side]), parameter, strides: [patch, patch])
            .transpose(0, 1).flatten(1);                                                                   // (V, patches)
        using Scalar strength = Strength, least = 1e-4;
        parameter.mul_(seen.std(1).clamp_min(least).reciprocal().mul(strength).reshape(config.Width, 1, 1, 1));
    }

    /// <summary>
    /// (1, P + 1, V): waves of a quarter period up to G/4 periods over a picture of G x G patches, for column and row; zero for the
    /// class token.
    /// </summary>
    private static void FillWithPlaces(Parameter parameter, EvaConfig config)
    {
        var (grid, count) = (config.ImageSize / config.PatchSize, config.Width / 4);
        var places = new float[parameter.numel()];
        for (var patch = 0; patch < grid * grid; patch++)
            for (var k = 0; k < count; k++)
            {
                var frequency = Math.PI / 2 * Math.Pow(grid, (double)k / Math.Max(1, count - 1));
                var (x, y) = (frequency * (patch % grid + 0.5) / grid, frequency * (patch / grid + 0.5) / grid);
                var at = (1 + patch) * config.Width + 4 * k;
                (places[at], places[at + 1], places[at + 2], places[at + 3]) =
                    ((float)(Strength * Math.Sin(x)), (float)(Strength * Math.Cos(x)), (float)(Strength * Math.Sin(y)),
                        (float)(Strength * Math.Cos(y)));
            }

        parameter.copy_(tensor(places, parameter.shape));
    }
}
