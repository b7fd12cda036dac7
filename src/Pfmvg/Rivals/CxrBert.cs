using Pfmvg.Models.Bert;
using Pfmvg.Models.Layers;
using Pfmvg.Text;
using Pfmvg.Weights;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pfmvg.Rivals;

/// <summary>CXR-BERT (MIT): BERT, and a projection of the first piece to the joint space.</summary>
internal sealed class CxrBert
{
    private const string Encoder = "bert.", Head = "cls_projection_head.";
    private const double HeadNormEps = 1e-12;
    private const int LargestBatch = 64;

    private static readonly string[] NotInTexts = [WordPiece.Unknown, WordPiece.End, WordPiece.Pad, WordPiece.Begin];

    private readonly BertEncoder _encoder;
    private readonly LoadedLinear _hidden, _output;
    private readonly LoadedNorm _norm;
    private readonly WordPiece _vocabulary;
    private readonly long _positions;
    private readonly Device _device;

    /// <summary>Takes its weights.</summary>
    public CxrBert(BertConfig config, PlannedWeights weights, WordPiece vocabulary, Device device)
    {
        _encoder = new BertEncoder(config, weights, Encoder);
        _hidden = new LoadedLinear(weights, $"{Head}dense_to_hidden");
        _norm = new LoadedNorm(weights, $"{Head}LayerNorm", HeadNormEps);
        _output = new LoadedLinear(weights, $"{Head}dense_to_output");
        (_vocabulary, _positions, _device) = (vocabulary, config.Positions, device);
    }

    /// <summary>Whether a file has a text model of this kind.</summary>
    public static bool IsIn(ITensorFile file) => file.Tensors.ContainsKey($"{Head}dense_to_output.weight")
        && file.Tensors.ContainsKey($"{Encoder}embeddings.word_embeddings.weight");

    /// <summary>Tensors of the published files that are not used.</summary>
    public static bool MayBeUnused(string name) => name.StartsWith("cls.", StringComparison.Ordinal)
        || name.StartsWith($"{Encoder}pooler.", StringComparison.Ordinal) || name == $"{Encoder}embeddings.position_ids";

    /// <summary>The sizes of a folder's files.</summary>
    /// <exception cref="InputException">They contradict each other, or are another model's.</exception>
    public static (BertConfig Config, long Joint) ReadSizes(string configuration, ITensorFile file)
    {
        if (!file.Tensors.TryGetValue($"{Head}dense_to_output.weight", out var output) || output.Shape is not [>= 1, >= 1])
            throw Refusal.ForFile(file.Path, "has no cls_projection_head, so it is a BERT without the projection to the joint space",
                "give the folder BiomedVLP-CXR-BERT-specialized for BioViL, or BiomedVLP-BioViL-T for BioViL-T");
        return (BertConfig.Read(configuration, file, Encoder), output.Shape[0]);
    }

    /// <summary>The tensors of such a model.</summary>
    public static IReadOnlyList<TensorInfo> Plan(BertConfig config, long joint) =>
    [
        .. BertEncoder.Plan(config, Encoder),
        .. LoadedLinear.Plan($"{Head}dense_to_hidden", config.Width, joint),
        .. LoadedNorm.Plan($"{Head}LayerNorm", joint),
        .. LoadedLinear.Plan($"{Head}dense_to_output", joint, joint),
    ];

    /// <summary>Whether nothing of a phrase reaches the model: BioViL answers such a phrase, our own model refuses it.</summary>
    public static bool IsEmpty(string phrase) => string.IsNullOrWhiteSpace(Stripped(phrase));

    /// <summary>The ids of a phrase, without the marks at its end.</summary>
    /// <exception cref="InputException">It contains a special piece, or is too long.</exception>
    public IReadOnlyList<int> Tokens(string phrase)
    {
        if (Array.Find(NotInTexts, special => phrase.Contains(special, StringComparison.Ordinal)) is { } found)
            throw new InputException($"A phrase contains {found}, which is a special piece of the text model; write it otherwise.");
        var ids = _vocabulary.Encode(Stripped(phrase));
        return ids.Count <= _positions ? ids : throw new InputException(
            $"A phrase has {ids.Count} pieces, but the text model has max_position_embeddings {_positions}; shorten it.");
    }

    /// <summary>Phrases to the joint space (P, J), normalised, in their order. Texts of one length share a batch: no padding.</summary>
    /// <exception cref="InputException">A phrase cannot be read by the model.</exception>
    public Tensor Encode(IReadOnlyList<string> phrases)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        var tokens = phrases.Select(Tokens).ToList();
        var rows = new Tensor[phrases.Count];
        foreach (var batch in Enumerable.Range(0, phrases.Count).GroupBy(i => tokens[i].Count).SelectMany(same => same.Chunk(LargestBatch)))
        {
            var ids = tensor([.. batch.SelectMany(i => tokens[i]).Select(id => (long)id)], [batch.Length, tokens[batch[0]].Count]);
            var projected = functional.normalize(Project(_encoder.Forward(ids.to(_device))), dim: 1);
            foreach (var (row, i) in batch.Index()) rows[i] = projected[row];
        }

        return stack(rows).MoveToOuterDisposeScope();
    }

    /// <summary>The embeddings' and all layers' states of one phrase (1, T, W), then its projection (J), not normalised.</summary>
    internal IReadOnlyList<Tensor> Observe(string phrase)
    {
        using var quiet = no_grad();
        List<Tensor> states = [];
        using var ids = tensor([.. Tokens(phrase).Select(id => (long)id)]).unsqueeze(0);
        var last = _encoder.Forward(ids.to(_device), state => states.Add(state.clone().MoveToOuterDisposeScope()));
        return [.. states, Project(last)[0]];
    }

    private Tensor Project(Tensor states) => _output.Forward(_norm.Forward(functional.gelu(_hidden.Forward(states.select(1, 0)))));

    private static string Stripped(string phrase) => phrase.TrimEnd('!', '?', '.');
}
