using System.Globalization;
using System.Text.RegularExpressions;
using static TorchSharp.torch;

namespace Pfmvg.Tensors;

/// <summary>The element types that weight files have and their names in each format.</summary>
internal static partial class TensorTypes
{
    private static readonly (ScalarType Type, int Size, string Name, string? SafeTensors, string Storage)[] Table =
    [
        (ScalarType.Float32, 4, "float32", "F32", "FloatStorage"),
        (ScalarType.Float16, 2, "float16", "F16", "HalfStorage"),
        (ScalarType.BFloat16, 2, "bfloat16", "BF16", "BFloat16Storage"),
        (ScalarType.Float64, 8, "float64", "F64", "DoubleStorage"),
        (ScalarType.Int64, 8, "int64", "I64", "LongStorage"),
        (ScalarType.Int32, 4, "int32", "I32", "IntStorage"),
        (ScalarType.Int16, 2, "int16", "I16", "ShortStorage"),
        (ScalarType.Int8, 1, "int8", "I8", "CharStorage"),
        (ScalarType.Byte, 1, "uint8", "U8", "ByteStorage"),
        (ScalarType.Bool, 1, "bool", "BOOL", "BoolStorage"),
        (ScalarType.ComplexFloat32, 8, "complex64", "C64", "ComplexFloatStorage"),
        (ScalarType.ComplexFloat64, 16, "complex128", null, "ComplexDoubleStorage"),
    ];

    /// <summary>Bytes of one element.</summary>
    public static int Size(ScalarType type) => Row(type).Size;

    /// <summary>Whether elements are real floating-point numbers.</summary>
    public static bool IsFloating(ScalarType type) =>
        type is ScalarType.Float16 or ScalarType.BFloat16 or ScalarType.Float32 or ScalarType.Float64;

    /// <summary>PyTorch's name, for example "float16".</summary>
    public static string Name(ScalarType type) => Row(type).Name;

    /// <summary>The name in a safetensors header, for example "BF16".</summary>
    /// <exception cref="NotSupportedException">The format has no such type.</exception>
    public static string SafeTensorsName(ScalarType type) =>
        Row(type).SafeTensors ?? throw new NotSupportedException($"A safetensors file cannot hold elements of type {type}.");

    /// <summary>The class in module torch that a pickle names for a storage of this type, for example "HalfStorage".</summary>
    public static string StorageName(ScalarType type) => Row(type).Storage;

    /// <summary>The type of a safetensors name; null when there is none.</summary>
    public static ScalarType? FromSafeTensorsName(string? name) => name is null ? null : Find(row => row.SafeTensors == name);

    /// <summary>
    /// Bits of an element of a type that a safetensors header may name, also one that is not computed with: they are the number in its
    /// name, as in "F8_E4M3" or "U16". Null for a name of another kind.
    /// </summary>
    public static int? BitsOf(string safeTensorsName) =>
        SafeTensorsType().Match(safeTensorsName) is { Success: true } match
            ? int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture) : null;

    /// <summary>The type of PyTorch's name; null when there is none.</summary>
    public static ScalarType? FromName(string name) => Find(row => row.Name == name);

    /// <summary>The type of a storage class; null when there is none.</summary>
    public static ScalarType? FromStorageName(string name) => Find(row => row.Storage == name);

    private static (ScalarType Type, int Size, string Name, string? SafeTensors, string Storage) Row(ScalarType type)
    {
        foreach (var row in Table)
            if (row.Type == type) return row;
        throw new NotSupportedException($"Weight files cannot hold elements of type {type}.");
    }

    private static ScalarType? Find(Predicate<(ScalarType Type, int Size, string Name, string? SafeTensors, string Storage)> match)
    {
        foreach (var row in Table)
            if (match(row)) return row.Type;
        return null;
    }

    [GeneratedRegex("^(?:F|BF|U|I|C)([1-9][0-9]{0,2})(?:_[A-Z0-9]+)?$")] private static partial Regex SafeTensorsType();
}
