using System.Collections.Concurrent;
using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Data.Loading;
using Pfmvg.Geometry;
using Pfmvg.Imaging;
using Pfmvg.Models;
using Pfmvg.Tensors;
using Pfmvg.Training;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pfmvg.Cnn;

/// <summary>
/// The network learns boxes: distance of the edges, generalized IoU, attention into the box, and the confidence, which learns to tell the
/// IoU. Pictures are decoded once and kept small; crops are cut from these, never mirrored: left and right have a meaning.
/// </summary>
/// <param name="network">The network.</param>
/// <param name="words">What it knows of phrases.</param>
/// <param name="split">What it learns from: whole pictures.</param>
/// <param name="settings">Weights of the losses.</param>
/// <param name="stage">Micro-batches and crops.</param>
/// <param name="seed">The run's seed.</param>
internal sealed class CnnLearner(
    CnnNetwork network, WordList words, StageSamples split, CnnSettings settings, StageSettings stage, long seed) : ILearner
{
    private const long MostKept = 1L << 30; // bytes; pictures beyond are decoded each time

    private readonly ConcurrentDictionary<(string, string), byte[]> _kept = new();
    private readonly Scalar _edges = settings.EdgeWeight, _giou = settings.GiouWeight, _attention = settings.AttentionWeight, _minus = -1.0,
        _one = 1.0, _least = 1e-9;

    public Device Device => network.Device;

    public IReadOnlyList<Sample> Samples => split.Samples;

    public string? Mixture => split.Mixture;

    public IReadOnlyList<BrokenSample> Broken => split.Broken;

    public IEnumerable<(string Name, Parameter Parameter)> Trainables() => network.named_parameters();

    public int[] Order(int epoch, int stepSize) => split.Order(epoch, stepSize);

    public IEnumerable<BatchLoss> Learn(IReadOnlyList<int> indices, int epoch, CancellationToken cancel) =>
        Load(indices, stage.Image == ImageMode.RandomCrop ? epoch : null, cancel).Chunk(stage.BatchSize).Select(micro =>
        {
            cancel.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            var loss = Loss(micro);
            loss.backward();
            return new BatchLoss(loss.detach().MoveToOuterDisposeScope(), micro.Length, micro.Sum(example => example.Words.Count));
        });

    public (double Sum, double Targets) Measure(
        IReadOnlyList<int> indices, Action<int>? looked = null, CancellationToken cancel = default)
    {
        using var quiet = no_grad();
        var (sum, boxes) = (0.0, 0);
        foreach (var micro in Load(indices, null, cancel).Chunk(stage.BatchSize))
        {
            cancel.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            sum += Loss(micro).item<float>();
            looked?.Invoke(boxes += micro.Length);
        }

        return (sum, boxes);
    }

    /// <summary>The part of a sample's picture that an epoch shows, and its boxes there, as shares of it.</summary>
    internal (Crop Crop, IReadOnlyList<Box> Boxes) Shown(int index, int? epoch)
    {
        var sample = split.Samples[index];
        var crop = epoch is { } drawn && LoaderOptions.IsCropped(stage.CropShare, seed, drawn, index)
            ? Crop.Random(sample.Width, sample.Height, sample.Boxes, stage.CropScaleMin, new CounterRandom(seed, "crop", drawn, index))
            : Crop.Whole(sample.Width, sample.Height);
        return (crop, [.. crop.Apply(sample.Boxes).Select(box => box.Scale(1.0 / crop.Width, 1.0 / crop.Height))]);
    }

    private IEnumerable<Example> Load(IReadOnlyList<int> indices, int? epoch, CancellationToken cancel)
    {
        var decoded = split.Load([.. indices.Where(i => !_kept.ContainsKey(Key(i))).DistinctBy(Key)], 0, augment: false, cancel)
            .ToDictionary(loaded => Key(loaded.Index), loaded => CnnInput.Gray(loaded.Picture.Image!));
        foreach (var (key, gray) in decoded)
            if ((_kept.Count + 1L) * gray.Length <= MostKept) _kept[key] = gray;
        foreach (var i in indices)
        {
            if (!_kept.TryGetValue(Key(i), out var gray) && !decoded.TryGetValue(Key(i), out gray)) continue; // broken
            var (crop, boxes) = Shown(i, epoch);
            yield return new Example(gray, crop, split.Samples[i], boxes, words.Read(split.Samples[i].Text).Places);
        }

        (string, string) Key(int i) => (split.Samples[i].Source, split.Samples[i].Image);
    }

    /// <summary>The summed loss. Where an answer is one of several boxes, it learns the one that it is nearest to.</summary>
    private Tensor Loss(Example[] micro)
    {
        var output = network.call(Pictures(micro), CnnInput.Bags([.. micro.Select(example => example.Words)], words.Count, Device));
        var boxes = Nearest(output.Boxes, micro);
        var truth = tensor([.. boxes.SelectMany(box => (float[])[(float)box.Left, (float)box.Top, (float)box.Right, (float)box.Bottom])],
            [boxes.Length, 4]).Send(Device);
        var grid = settings.ImageSize / CnnNetwork.Stride;
        var inside = tensor([.. boxes.SelectMany(box => Inside(box, grid))], [boxes.Length, grid * grid]).Send(Device);
        var attended = output.Attention.exp().mul(inside).sum(1).clamp_min(_least).log();
        var reached = BoxLoss.Iou(output.Boxes.detach(), truth);
        return BoxLoss.EdgeDistance(output.Boxes, truth).mul(_edges)
            .Plus(BoxLoss.GeneralizedIou(output.Boxes, truth).mul(_minus).Plus(_one).mul(_giou))
            .Plus(attended.mul(_minus).mul(_attention)).sum()
            .Plus(functional.binary_cross_entropy_with_logits(output.Confidence, reached, reduction: Reduction.Sum));
    }

    /// <summary>(B, 1, S, S): the crops, enlarged to the picture's size.</summary>
    private Tensor Pictures(Example[] micro)
    {
        var size = settings.ImageSize;
        var whole = CnnInput.Pictures([.. micro.Select(example => example.Gray)], size, Device);
        return Array.TrueForAll(micro, example => example.Crop == Crop.Whole(example.Sample.Width, example.Sample.Height)) ? whole
            : Cut(whole, [.. micro.Select(example => (example.Crop, example.Sample.Width, example.Sample.Height))]);
    }

    /// <summary>(B, 1, S, S): of each picture a part, enlarged to the size of the whole.</summary>
    /// <param name="whole">(B, 1, S, S): pictures that were made square.</param>
    /// <param name="crops">The parts in pixels of the original pictures, whose sizes follow.</param>
    internal static Tensor Cut(Tensor whole, IReadOnlyList<(Crop Crop, int Width, int Height)> crops)
    {
        using var scope = NewDisposeScope();
        var places = tensor([.. crops.SelectMany(Place)], [crops.Count, 2, 3]).Send(whole.device);
        var grid = functional.affine_grid(places, whole.shape, align_corners: false);
        return functional.grid_sample(whole, grid, mode: GridSampleMode.Bilinear, padding_mode: GridSamplePaddingMode.Border,
            align_corners: false).MoveToOuterDisposeScope();

        // From places in the part to places in the whole, both from -1 to 1.
        static float[] Place((Crop Crop, int Width, int Height) part)
        {
            var ((left, top, width, height), wide, high) = part;
            var (x, y) = ((float)width / wide, (float)height / high);
            return [x, 0, 2f * left / wide + x - 1, 0, y, 2f * top / high + y - 1];
        }
    }

    private static Box[] Nearest(Tensor answers, Example[] micro)
    {
        if (Array.TrueForAll(micro, example => example.Boxes.Count == 1)) return [.. micro.Select(example => example.Boxes[0])];
        var edges = answers.detach().cpu().data<float>().ToArray();
        return [.. micro.Select((example, row) => example.Boxes.MinBy(box => Distance(box, edges.AsSpan(4 * row, 4).ToArray())))];

        static double Distance(Box box, float[] edges) => Math.Abs(box.Left - edges[0]) + Math.Abs(box.Top - edges[1])
            + Math.Abs(box.Right - edges[2]) + Math.Abs(box.Bottom - edges[3]);
    }

    /// <summary>How much of each place of the grid a box covers; at least one place counts whole.</summary>
    private static float[] Inside(Box box, int grid)
    {
        var shares = new float[grid * grid];
        for (var i = 0; i < shares.Length; i++)
        {
            var (x, y) = (i % grid, i / grid);
            shares[i] = (float)(box.Scale(grid, grid).Intersect(new Box(x, y, x + 1, y + 1)).Area);
        }

        var most = shares.Max();
        return most > 0 ? [.. shares.Select(share => share / most)] : [.. shares.Select(_ => 1f)];
    }

    /// <summary>A sample as one epoch shows it.</summary>
    private sealed record Example(byte[] Gray, Crop Crop, Sample Sample, IReadOnlyList<Box> Boxes, IReadOnlyList<int> Words);
}
