using static TorchSharp.torch;

namespace Pfmvg.Weights;

/// <summary>Named tensors on disk, whatever the format. Opening reads only the directory; values are read on demand.</summary>
public interface ITensorFile : IDisposable
{
    /// <summary>The file or folder, as the user named it.</summary>
    string Path { get; }

    /// <summary>The format in words, for example "safetensors" or "torch zip".</summary>
    string Format { get; }

    /// <summary>The weights by their names in the file, in the file's order.</summary>
    IReadOnlyDictionary<string, TensorInfo> Tensors { get; }

    /// <summary>
    /// Tensors among the weights whose values cannot be had here (sparse, quantised, of a type that is not computed with), by their names.
    /// They do no harm unless a model needs one.
    /// </summary>
    IReadOnlyDictionary<string, UnreadableTensor> Unreadable { get; }

    /// <summary>The key under which the file keeps its weights, such as "model" or "checkpoint/model"; null for none.</summary>
    string? Container { get; }

    /// <summary>
    /// Names of classes and functions that the file mentions and weights do not need. In <see cref="Metadata"/> they stand as
    /// text, and their values as dictionaries with the class, its arguments and its state; nothing was imported, made or called.
    /// </summary>
    IReadOnlyList<string> ForeignNames { get; }

    /// <summary>Sentences to read when the file is loaded: what was left out of its names, what is foreign in it.</summary>
    IReadOnlyList<string> Notes { get; }

    /// <summary>
    /// Everything else in the file, as plain data: null, bool, long, <see cref="System.Numerics.BigInteger"/>, double,
    /// string, byte[], object?[] (a tuple), list, dictionary with string keys. A tensor outside the weights (optimizer
    /// state) stands here as its <see cref="TensorInfo"/>, whose name (the path, joined by '/') can be read, too.
    /// </summary>
    IReadOnlyDictionary<string, object?> Metadata { get; }

    /// <summary>Reads one tensor into new, contiguous CPU memory of the file's type; owned by the caller's dispose scope.</summary>
    /// <exception cref="KeyNotFoundException">The file has no tensor of this name.</exception>
    /// <exception cref="InputException">The file ended or changed since it was opened, or holds an impossible value.</exception>
    Tensor Read(string name);

    /// <summary>
    /// Reads one tensor into a tensor of the same shape, converting to its type and device. Nothing but the target's own
    /// memory is needed where the types agree. Autograd does not record it.
    /// </summary>
    /// <returns>The row-major index of the first stored value that is NaN or infinite; null when all are finite.</returns>
    /// <exception cref="ArgumentException">The shapes differ.</exception>
    long? ReadInto(string name, Tensor target);

    /// <summary>
    /// As <see cref="ReadInto"/>, but a target on the CPU that needs the elements exactly as they are stored gets the file's own
    /// pages as its memory (<see cref="OpenedFile.Map"/>), and one on another device is filled from them. Tensors that share the
    /// target's old memory keep it.
    /// </summary>
    long? MapInto(string name, Tensor target);
}
