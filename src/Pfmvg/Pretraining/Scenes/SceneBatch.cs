using System.Runtime.InteropServices;
using Pfmvg.Configuration;
using Pfmvg.Imaging;
using Pfmvg.Models;
using static TorchSharp.torch;

namespace Pfmvg.Pretraining.Scenes;

/// <summary>
/// Scenes and their questions as tensors. All questions about a picture share one row: the picture once, then the
/// questions, each of which sees the picture and itself and counts its positions from the picture's end. The numbers are
/// those of one row per question, at less than half the work. Letters: B pictures, T positions, P patches, Q phrases.
/// </summary>
/// <param name="Images">(B, 3, S, S) normalised.</param>
/// <param name="Ids">(B, T) token ids.</param>
/// <param name="Targets">(B, T), <see cref="GroundingModel.NoTarget"/> outside the answers.</param>
/// <param name="Positions">(B, T) position within the own sequence.</param>
/// <param name="Segments">(B, T) 0 for the picture, else the question's number; padding has one of its own.</param>
/// <param name="PatchShapes">(B P) 0 for ground, else 1 + shape.</param>
/// <param name="PatchTones">(B P) 0 for ground, 1 dark, 2 bright.</param>
/// <param name="PatchBoxes">(B P, 4) box of the patch's object as shares of the side.</param>
/// <param name="AskedAt">(Q) position in the flattened (B T) of the last prompt token of each phrase with one box.</param>
/// <param name="AskedPatches">(Q, P) the patches of the object asked for, summing to 1.</param>
/// <param name="AskedBoxes">(Q, 4) its box as shares of the side.</param>
internal sealed record SceneBatch(
    Tensor Images, Tensor Ids, Tensor Targets, Tensor Positions, Tensor Segments,
    Tensor PatchShapes, Tensor PatchTones, Tensor PatchBoxes, Tensor AskedAt, Tensor AskedPatches, Tensor AskedBoxes)
{
    private const int Padding = 1 << 20;

    /// <summary>The batch of a step and worker; its tensors belong to the caller's dispose scope.</summary>
    public static SceneBatch Draw(SceneQuestions questions, GroundingConfig config, PretrainSettings settings, long seed, long first,
        int most)
    {
        var (side, patch, count) = (config.Vision.ImageSize, config.Vision.PatchSize, settings.Pictures);
        var images = new float[count * 3 * side * side];
        var rows = new List<(Scene Scene, IReadOnlyList<SceneQuestion> Questions)>();
        for (var i = 0; i < count; i++)
        {
            var scene = SceneSampler.Sample(seed, "training", first + i, side, most);
            ImageTransform.Normalise(scene.Pixels, 1, images.AsSpan(i * 3 * side * side, 3 * side * side));
            var random = new CounterRandom(seed, "questions", first + i);
            rows.Add((scene, questions.Ask(scene, settings.Phrases, random.NextDouble() < settings.CaptionShare, random, random)));
        }

        var length = rows.Max(row => questions.Prefix.Count + row.Questions.Sum(q => q.Prompt.Length + q.Answer.Length));
        var (ids, targets) = (new long[count * length], new long[count * length]);
        var (positions, segments) = (new long[count * length], new long[count * length]);
        Array.Fill(targets, GroundingModel.NoTarget);
        Array.Fill(segments, Padding);
        var asked = new List<long>();
        var askedPatches = new List<float>();
        var askedBoxes = new List<float>();
        var (shapes, tones, boxes) = (new List<long>(), new List<long>(), new List<float>());
        for (var row = 0; row < count; row++)
        {
            var (scene, about) = rows[row];
            var (at, start) = (row * length, row * length);
            foreach (var id in questions.Prefix) Put(id, at - start, 0, false);
            for (var q = 0; q < about.Count; q++)
            {
                var position = questions.Prefix.Count;
                foreach (var id in about[q].Prompt) Put(id, position++, q + 1, false);
                if (about[q].Boxes is [var box])
                {
                    asked.Add(at - 1);
                    askedPatches.AddRange(Covering(box, side, patch));
                    askedBoxes.AddRange(Shares(box, side));
                }

                foreach (var id in about[q].Answer) Put(id, position++, q + 1, true);
            }

            AddPatches(scene, patch, shapes, tones, boxes);

            void Put(int id, int position, int segment, bool target)
            {
                (ids[at], positions[at], segments[at]) = (id, position, segment);
                if (target) targets[at] = id;
                at++;
            }
        }

        return new SceneBatch(
            Copy(images, ScalarType.Float32, count, 3, side, side), Rows(ids), Rows(targets), Rows(positions), Rows(segments),
            Copy(shapes.ToArray(), ScalarType.Int64, shapes.Count), Copy(tones.ToArray(), ScalarType.Int64, tones.Count),
            Copy(boxes.ToArray(), ScalarType.Float32, shapes.Count, 4), Copy(asked.ToArray(), ScalarType.Int64, asked.Count),
            Copy(askedPatches.ToArray(), ScalarType.Float32, asked.Count, config.Vision.Patches),
                Copy(askedBoxes.ToArray(), ScalarType.Float32, asked.Count, 4));

        Tensor Rows(long[] values) => Copy(values, ScalarType.Int64, count, length);
    }

    /// <summary>
    /// A tensor with memory of its own. `tensor(array)` pins the array and is told by a native callback when it is free: one
    /// more object that a collection on another thread may take away too early (one run with it ended in a segmentation fault).
    /// </summary>
    private static Tensor Copy<T>(T[] values, ScalarType type, params long[] shape) where T : unmanaged
    {
        var copy = empty(shape, type);
        if (values.Length > 0) MemoryMarshal.AsBytes(values.AsSpan()).CopyTo(copy.bytes);
        return copy;
    }

    private static float[] Shares(Geometry.Box box, int side) =>
        [(float)box.Left / side, (float)box.Top / side, (float)box.Right / side, (float)box.Bottom / side];

    /// <summary>For each patch its share of the box's area.</summary>
    private static IEnumerable<float> Covering(Geometry.Box box, int side, int patch)
    {
        for (var y = 0; y < side; y += patch)
            for (var x = 0; x < side; x += patch)
                yield return (float)(box.Intersect(new Geometry.Box(x, y, x + patch, y + patch)).Area / box.Area);
    }

    /// <summary>Appends what lies on each patch: the object that covers most of it, when it covers a tenth or more.</summary>
    private static void AddPatches(Scene scene, int patch, List<long> shapes, List<long> tones, List<float> boxes)
    {
        Span<int> covered = stackalloc int[scene.Objects.Count];
        for (var top = 0; top < scene.Side; top += patch)
            for (var left = 0; left < scene.Side; left += patch)
            {
                covered.Clear();
                for (var y = top; y < top + patch; y++)
                    foreach (var owner in scene.Owners.AsSpan(y * scene.Side + left, patch))
                        if (owner >= 0) covered[owner]++;
                var best = -1;
                for (var i = 0; i < covered.Length; i++)
                    if (10 * covered[i] >= patch * patch && (best < 0 || covered[i] > covered[best])) best = i;
                var item = best < 0 ? null : scene.Objects[best];
                shapes.Add(item is null ? 0 : 1 + (long)item.Shape);
                tones.Add(item is null ? 0 : item.IsBright ? 2 : 1);
                boxes.AddRange(item is null ? [0, 0, 0, 0] : Shares(item.Box, scene.Side));
            }
    }
}
