using Pfmvg.Models;
using Pfmvg.Models.Building;
using Pfmvg.Tensors;
using Pfmvg.Weights;
using Pfmvg.Weights.Loading;
using static TorchSharp.torch;

namespace Pfmvg.Exporting;

/// <summary>
/// The frozen tensors of vision tower or language model in their file, read one by one. A file is refused for what the loader refuses.
/// </summary>
internal sealed class BasePart : IDisposable
{
    private readonly ITensorFile _file;
    private readonly string _path;
    private readonly Dictionary<string, TensorInfo> _stored;
    private bool _hasValues;

    /// <summary>Opens the file and finds every tensor of the part in it.</summary>
    /// <param name="path">The file or folder.</param>
    /// <param name="frozen">The tensors by the model's names, with their shapes.</param>
    /// <param name="isLanguage">Whether it is the language model's folder.</param>
    /// <exception cref="InputException">It is not there, or not of the configured model.</exception>
    public BasePart(string path, IReadOnlyDictionary<string, Tensor> frozen, bool isLanguage)
    {
        Func<string, string?> rename = isLanguage ? ParameterNames.FromLanguageFile : ParameterNames.FromVisionFile;
        _path = path;
        _file = WrapperNames.Open(path, [.. frozen.Keys], rename);
        try
        {
            foreach (var (key, tensor) in _file.Unreadable)
                if (rename(key) is { } needed && frozen.ContainsKey(needed))
                    throw Refusal.ForFile(path, $"the tensor '{Refusal.Show(key)}' {tensor.Problem}", tensor.Advice);
            var names = isLanguage ? LanguageWeights.Names(_file, path, frozen) : _file.Tensors.Keys.ToDictionary(key => rename(key)!);
            _stored = frozen.Keys.Where(names.ContainsKey).ToDictionary(name => name, name => _file.Tensors[names[name]]);
            new LoadReport
            {
                Loaded = [.. frozen.Keys],
                Missing = [.. frozen.Keys.Where(name => !names.ContainsKey(name))],
                NotFloating = [.. _stored.Where(p => !TensorTypes.IsFloating(p.Value.Type)).Select(p => p.Key)],
                WrongShape = [.. _stored.Where(p => p.Key != ParameterNames.PositionEmbedding // which is resized when it is loaded
                    && !p.Value.Shape.SequenceEqual(frozen[p.Key].shape))
                    .Select(p => new ShapeMismatch(p.Key, p.Value.Shape, frozen[p.Key].shape))],
            }.ThrowIfUnusable(path);
        }
        catch
        {
            _file.Dispose();
            throw;
        }
    }

    /// <summary>Type and shape of every tensor in the file, by the model's names in the model's order.</summary>
    public IReadOnlyDictionary<string, TensorInfo> Stored => _stored;

    /// <summary>Reads a tensor, converting its type; owned by the caller's dispose scope.</summary>
    /// <exception cref="InputException">It holds NaN or infinity.</exception>
    public Tensor Read(string name, ScalarType type)
    {
        using var scope = NewDisposeScope();
        var value = empty(_stored[name].Shape, type);
        if (_file.ReadInto(_stored[name].Name, value) is not null)
            throw Refusal.ForFile(_path, $"has NaN or infinity in {Refusal.Show(name)}", "use another: it is damaged");
        _hasValues = _hasValues || value.any().item<bool>();
        return value.MoveToOuterDisposeScope();
    }

    /// <summary>Refuses a file in which everything that was read is zero.</summary>
    /// <exception cref="InputException">It is.</exception>
    public void RequireValues() => new LoadReport { Loaded = [.. _stored.Keys], OnlyZeros = !_hasValues }.ThrowIfUnusable(_path);

    public void Dispose() => _file.Dispose();
}
