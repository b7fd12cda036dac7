using System.Runtime.InteropServices;
using Pfmvg.Configuration;
using Pfmvg.Geometry;
using Pfmvg.Imaging;
using Pfmvg.Models;
using static TorchSharp.torch;

namespace Pfmvg.Pretraining.Scenes;

/// <summary>
/// Scenes and their questions as tensors. All questions about a picture share one row: the picture once, then the questions.
/// Each question sees only the picture and itself and counts its positions from the picture's end. This gives the same numbers as
/// one row per question, at less than half the work. Letters: B pictures, T positions, P patches, Q phrases with one box.
/// </summary>
internal sealed record SceneBatch
{
    private const int Padding = 1 << 20, Together = 4;

    /// <summary>(B, 3, S, S) normalised pictures.</summary>
    public required Tensor Images { get; init; }

    /// <summary>(B, T) token ids.</summary>
    public required Tensor Ids { get; init; }

    /// <summary>(B, T) token ids, <see cref="GroundingModel.NoTarget"/> outside the answers.</summary>
    public required Tensor Targets { get; init; }

    /// <summary>(B, T) positions within each question's own sequence.</summary>
    public required Tensor Positions { get; init; }

    /// <summary>(B, T) 0 for the picture, else the number of the question; padding has a number of its own.</summary>
    public required Tensor Segments { get; init; }

    /// <summary>(B P) 0 for ground, else 1 + shape.</summary>
    public required Tensor PatchShapes { get; init; }

    /// <summary>(B P) 0 for ground, 1 for dark, 2 for bright.</summary>
    public required Tensor PatchTones { get; init; }

    /// <summary>(B P, 4) box of the patch's object as shares of the side.</summary>
    public required Tensor PatchBoxes { get; init; }

    /// <summary>(Q) where the last prompt token of each phrase is in the flattened (B T).</summary>
    public required Tensor AskedAt { get; init; }

    /// <summary>(Q, P) the patches of the object asked for; they sum to 1.</summary>
    public required Tensor AskedPatches { get; init; }

    /// <summary>(Q, 4) box of the object asked for as shares of the side.</summary>
    public required Tensor AskedBoxes { get; init; }

    /// <summary>One worker's pictures of a step, those with rows of like length together; the tensors belong to the caller's dispose
    /// scope.</summary>
    /// <remarks>A few pictures at a time hold hardly any padding, and what is computed of them stays in the processor's cache.</remarks>
    /// <param name="questions">Turns scenes into token ids.</param>
    /// <param name="config">Sizes of the model.</param>
    /// <param name="settings">Numbers of pictures and phrases.</param>
    /// <param name="seed">Seed of the run.</param>
    /// <param name="first">Index of the first scene.</param>
    /// <param name="most">Largest number of objects in a scene.</param>
    public static IReadOnlyList<SceneBatch> Draw(
        SceneQuestions questions, GroundingConfig config, PretrainSettings settings, long seed, long first, int most)
    {
        var rows = Enumerable.Range(0, settings.Pictures).Select(i =>
        {
            var scene = SceneSampler.Sample(seed, "training", first + i, config.Vision.ImageSize, most);
            var random = new CounterRandom(seed, "questions", first + i);
            var asked = questions.Ask(scene, settings.Phrases, random.NextDouble() < settings.CaptionShare, random, random);
            return (Scene: scene, Questions: asked, Length: questions.Prefix.Count + asked.Sum(q => q.Prompt.Length + q.Answer.Length));
        });
        return [.. rows.OrderBy(row => row.Length).Chunk(Together)
            .Select(some => Of(questions, config, [.. some.Select(row => (row.Scene, row.Questions))], some[^1].Length))];
    }

    private static SceneBatch Of(SceneQuestions questions, GroundingConfig config,
        IReadOnlyList<(Scene Scene, IReadOnlyList<SceneQuestion> Questions)> rows, int length)
    {
        var (side, patch, count) = (config.Vision.ImageSize, config.Vision.PatchSize, rows.Count);
        var images = new float[count * 3 * side * side];
        for (var i = 0; i < count; i++)
            ImageTransform.Normalise(rows[i].Scene.Pixels, 1, images.AsSpan(i * 3 * side * side, 3 * side * side));
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

        return new SceneBatch
        {
            Images = Copy(images, ScalarType.Float32, count, 3, side, side),
            Ids = Rows(ids),
            Targets = Rows(targets),
            Positions = Rows(positions),
            Segments = Rows(segments),
            PatchShapes = Copy(shapes.ToArray(), ScalarType.Int64, shapes.Count),
            PatchTones = Copy(tones.ToArray(), ScalarType.Int64, tones.Count),
            PatchBoxes = Copy(boxes.ToArray(), ScalarType.Float32, shapes.Count, 4),
            AskedAt = Copy(asked.ToArray(), ScalarType.Int64, asked.Count),
            AskedPatches = Copy(askedPatches.ToArray(), ScalarType.Float32, asked.Count, config.Vision.Patches),
            AskedBoxes = Copy(askedBoxes.ToArray(), ScalarType.Float32, asked.Count, 4),
        };

        Tensor Rows(long[] values) => Copy(values, ScalarType.Int64, count, length);
    }

    /// <summary>
    /// A tensor with memory of its own. `tensor(array)` would pin the array until a native callback frees it: one more object that
    /// a collection on another thread may take away too early (one run with it ended in a segmentation fault).
    /// </summary>
    private static Tensor Copy<T>(T[] values, ScalarType type, params long[] shape) where T : unmanaged
    {
        var copy = empty(shape, type);
        if (values.Length > 0) MemoryMarshal.AsBytes(values.AsSpan()).CopyTo(copy.bytes);
        return copy;
    }

    private static float[] Shares(Box box, int side) =>
        [(float)box.Left / side, (float)box.Top / side, (float)box.Right / side, (float)box.Bottom / side];

    /// <summary>Each patch's share of the box's area.</summary>
    private static IEnumerable<float> Covering(Box box, int side, int patch)
    {
        for (var y = 0; y < side; y += patch)
            for (var x = 0; x < side; x += patch)
                yield return (float)(box.Intersect(new Box(x, y, x + patch, y + patch)).Area / box.Area);
    }

    /// <summary>Appends what lies on each patch: the object that covers most of it, if that is a tenth or more.</summary>
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
