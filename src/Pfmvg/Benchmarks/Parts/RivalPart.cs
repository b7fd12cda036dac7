using Pfmvg.Rivals;
using static TorchSharp.torch;

namespace Pfmvg.Benchmarks.Parts;

/// <summary>BioViL and BioViL-T in their published sizes, beside the same work written plainly.</summary>
internal static class RivalPart
{
    private const double One = 1e9; // a picture or a phrase, in the unit of Rounds
    private const string Phrase = "a b c d e f g h"; // ten pieces with the first and the last
    private const int Batch = 32; // phrases of an evaluation that go through the text model together

    /// <summary>Measures the picture models, one picture at a time as an evaluation does, and the text model on one phrase.</summary>
    /// <param name="bench">The device and the rounds.</param>
    /// <param name="folder">Where random weights, 550 MB, are written and removed.</param>
    public static IEnumerable<BenchmarkLine> Measure(Workbench bench, string folder)
    {
        foreach (var rival in Enum.GetValues<Rival>())
        {
            var (written, sizes) = (Workbench.TemporaryPath(folder), RivalSizes.Published(rival));
            try
            {
                RandomRival.Write(written, rival, sizes, seed: 1, vocabulary: null);
                foreach (var dilated in rival == Rival.BioVil ? (bool[])[false, true] : [false])
                {
                    using var scope = NewDisposeScope();
                    using var quiet = no_grad();
                    using var model = BioVil.Open(written, rival, dilated, bench.Device);
                    var plain = new PlainRival(sizes, dilated, bench.Device);
                    var side = BioVil.PublishedCrop(rival);
                    var picture = new RivalPicture([.. Enumerable.Range(0, side * side).Select(i => (byte)(i % 251))], side);
                    var name = rival == Rival.BioVil ? "BioViL" : "BioViL-T";
                    yield return Run($"{name}, a picture{(dilated ? ", dilated" : "")}", "pictures/s", () => model.Encode(picture),
                        () => plain.Encode(picture.ToTensor().to(bench.Device)));
                    if (dilated) continue;
                    var ids = tensor([.. model.Text.Tokens(Phrase).Select(id => (long)id)], device: bench.Device).unsqueeze(0);
                    yield return Run($"{name}, a phrase", "phrases/s", () => model.Text.Encode([Phrase]), () => plain.Read(ids));
                    string[] phrases = [.. Enumerable.Repeat(Phrase, Batch)];
                    yield return Run($"{name}, {Batch} phrases together", "batches/s", () => model.Text.Encode(phrases),
                        () => plain.Read(ids.expand(Batch, -1)));
                }
            }
            finally
            {
                if (Directory.Exists(written)) Directory.Delete(written, recursive: true);
            }
        }

        BenchmarkLine Run(string part, string unit, Func<Tensor> ours, Func<Tensor> plain) => bench.Rounds.Measure(
            part, unit, One, new Limit("plain libtorch", One, () => Finish(plain)), () => Finish(ours));

        void Finish(Func<Tensor> work)
        {
            using var scope = NewDisposeScope();
            using var quiet = no_grad();
            work();
            bench.Synchronize();
        }
    }
}
